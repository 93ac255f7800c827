"""The verb `test`: a project tried out as software, on a small sample, in a shed of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runners.pipeline import Event
from storage.errors import TrainshedError
from storage.project import load_project, with_params

NAMES = (
    "data",
    "validate",
    "prepare",
    "train",
    "evaluate",
    "package",
    "gate can judge",
    "loss is finite",
    "loss falls",
    "same seed, same result",
    "learns a few rows",
    "packaged as trained",
    "own tests",
)


@dataclass(frozen=True)
class Check:
    """One question that was asked of a project. `text` is the answer in a line, `details` all that is to be said."""

    name: str
    status: Literal["passed", "failed", "not asked"]
    text: str
    seconds: float
    details: str = ""


@dataclass(frozen=True)
class Tried:
    """How a project did. `warnings` came up on the way; `kept` is the shed of the test, where it was to be kept."""

    project: str
    checks: list[Check]
    warnings: list[str]
    kept: Path | None = None

    @property
    def passed(self) -> bool:
        return all(check.status != "failed" for check in self.checks)


def try_out(
    project_dir: Path,
    *,
    on_gpu: bool = False,
    keep: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Tried:
    """Ask the project every question, whatever came of those before. Its shed, if it has one, is not touched.

    `on_event` gets `{"event": "stage", "stage", "status", "seconds", "text"}` as a question is asked and answered, and
    the progress of what takes long. `on_gpu` gives it the GPUs that it can see; who calls must hold them.

    Raises:
        UsageError: when trainshed.toml, or the interpreter it names, is of no use.
    """
    from runners.trying.bench import bench
    from runners.trying.questions import Questions

    spec = load_project(project_dir)
    spec = with_params(spec, spec.test.params, said="[test] params")
    with_params(spec, spec.test.overfit_params, said="[test] overfit_params")
    warnings: list[str] = []
    asking = NAMES[0]

    def tell(event: Event) -> None:
        if event.get("event") == "warning":
            warnings.append(f"{asking}: {event.get('text')}")
        elif event.get("event") == "progress":
            on_event({**event, "stage": asking})

    checks: list[Check] = []
    with bench(project_dir, spec, on_gpu=on_gpu, keep=keep, tell=tell) as made:
        for name, question in Questions(made, spec):
            asking = name
            on_event({"event": "stage", "stage": name, "status": "running"})
            check = _asked(name, question, "" if keep else str(made.shed.root))
            checks.append(check)
            status = {"passed": "done", "not asked": "skipped"}.get(check.status, check.status)
            said = f"not asked: {check.text}" if check.status == "not asked" else check.text
            on_event({"event": "stage", "stage": name, "status": status, "seconds": check.seconds, "text": said})
    return Tried(spec.project.name, checks, list(dict.fromkeys(warnings)), made.shed.root if keep else None)


def _asked(name: str, question: Callable[[], str], passing: str) -> Check:
    """`passing` is a shed that will be gone: nobody is sent there."""
    from runners.trying.questions import NotAsked

    began = time.monotonic()
    try:
        text = question()
    except NotAsked as why:
        return Check(name, "not asked", str(why), 0.0)
    except TrainshedError as err:
        if passing and (passing in err.todo or "trainshed runs" in err.todo):
            err.todo = "`trainshed test --keep` keeps its log and its report"
        details = "\n".join(filter(None, [str(err), str(err.facts.get("output", ""))]))
        return Check(name, "failed", err.message.partition("\n")[0], round(time.monotonic() - began, 3), details)
    return Check(name, "passed", text, round(time.monotonic() - began, 3))
