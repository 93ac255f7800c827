"""The verbs of runs: list, look into one, follow its log, file it under a tag, take it away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.supervision import logs
from storage.errors import UsageError, nearest
from storage.filters import parse
from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Artifact, RunMetric, RunNote, Stage
from storage.write import runs as write_runs

ENDED_BADLY = ("failed", "invalid", "refused", "stopped")


@dataclass(frozen=True)
class Listing:
    """A page of runs, how many there are in all, and the full names of the asked columns."""

    rows: list[read_runs.RunRow]
    total: int
    columns: dict[str, str]


@dataclass
class RunDetails:
    """One run with all that belongs to it. `dataset` reads `flights v2`, each of `models` `flight-delay v3`."""

    row: read_runs.RunRow
    stages: list[Stage]
    notes: list[RunNote]
    artifacts: list[Artifact]
    dataset: str | None
    models: list[str]
    environment: dict[str, Any]
    directory: Path
    last_lines: list[str] = field(default_factory=list)
    set_off_by: str = ""  # which trigger, and why; empty where a person began it


def parsed_id(text: str) -> int:
    """The number of a run written as `12`, `r12`, `#12`, `run 12` or `run/12`.

    Raises:
        UsageError: when it is none of these.
    """
    digits = text.strip().lower().removeprefix("run").removeprefix("r").lstrip(" /#")
    if not (digits.isascii() and digits.isdigit()):
        raise UsageError(f"{text!r} is not a run", expected="its number, such as 12", todo="`trainshed runs list`")
    return int(digits)


def listing(
    shed: Shed,
    filter_text: str = "",
    *,
    sort: str = "-id",
    limit: int = 50,
    offset: int = 0,
    project: str | None = None,
    columns: tuple[str, ...] = (),
) -> Listing:
    """Runs that fit the filter. `auroc` may stand for `test/auroc` in filter, sort and columns, where that is clear.

    Raises:
        UsageError: for a filter, sort or column that cannot be read.
    """
    full = _full_names(shed)
    text = _in_full(filter_text, full)
    direction = "-" if sort.startswith("-") else ""
    order = direction + full(sort.removeprefix("-"))
    rows = read_runs.page(shed, text, sort=order, limit=limit, offset=offset, project=project)
    return Listing(rows, read_runs.count(shed, text, project=project), {name: full(name) for name in columns})


def in_full(shed: Shed, filter_text: str) -> str:
    """The filter with metrics by their full names. Raises UsageError for one that cannot be read."""
    return _in_full(filter_text, _full_names(shed))


def strange_names(shed: Shed, filter_text: str) -> list[str]:
    """What is said of names in a filter that no run has, with the nearest one that some has."""
    full, of_runs = _full_names(shed), [*read_runs.COLUMNS, "tag"]
    metrics = read_runs.metric_names(shed)
    known = [*of_runs, *read_runs.param_names(shed), *metrics]
    short = [name.rpartition("/")[2] for name in metrics]
    told = []
    for term in parse(filter_text):
        if full(term.key) not in known:
            hint = nearest(term.key, [*known, *short])
            told.append(f'no run has "{term.key}"' + (f"; {hint}" if hint else ""))
    return told


def _in_full(filter_text: str, full: Callable[[str], str]) -> str:
    return " ".join(f'{full(term.key)}{term.operator}"{term.text}"' for term in parse(filter_text))


def _full_names(shed: Shed) -> Callable[[str], str]:
    """Maps `auroc` to `test/auroc`, or to the only metric that ends so; every other name stays."""
    metrics: list[str] | None = None

    def full(name: str) -> str:
        nonlocal metrics
        if name in read_runs.COLUMNS or name == "tag" or "/" in name:
            return name
        if metrics is None:
            metrics = read_runs.metric_names(shed)
        if name in metrics:
            return name
        ending = [metric for metric in metrics if metric.endswith("/" + name)]
        if f"test/{name}" in ending:
            return f"test/{name}"
        return ending[0] if len(ending) == 1 else name

    return full


def details(shed: Shed, run_id: int, *, log_lines: int = 15) -> RunDetails:
    """Everything about one run; with the end of its log where it ended badly. Raises UsageError when there is none."""
    row = read_runs.row(shed, run_id)
    dataset = None
    if row.run.dataset_version_id is not None:
        found, version = read_datasets.version_by_id(shed, row.run.dataset_version_id)
        dataset = f"{found.name} v{version.number}"
    models = [
        f"{read_models.version_by_id(shed, v.id or 0)[0].name} v{v.number}" for v in read_models.of_run(shed, run_id)
    ]
    directory = shed.run_dir(run_id)
    badly = row.run.status in ENDED_BADLY
    fired = read_triggers.of_run(shed, run_id)
    return RunDetails(
        row=row,
        stages=read_runs.stages(shed, run_id),
        notes=read_runs.notes(shed, run_id),
        artifacts=read_runs.artifacts(shed, run_id),
        dataset=dataset,
        models=models,
        environment=environment(shed, run_id),
        directory=directory,
        last_lines=logs.last_lines(directory / "log", log_lines) if badly else [],
        set_off_by=f"{fired.trigger.name}: {fired.firing.why}" if fired is not None else "",
    )


def environment(shed: Shed, run_id: int) -> dict[str, Any]:
    """What the run kept of its surroundings; empty where it kept nothing, or nothing that can be read."""
    try:
        found = json.loads((shed.run_dir(run_id) / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def log_tail(shed: Shed, run_id: int, count: int) -> list[str]:
    """The last `count` lines of a run's log, as text that no terminal would obey."""
    read_runs.run(shed, run_id)
    return logs.last_lines(shed.run_dir(run_id) / "log", count)


def log_bytes(shed: Shed, run_id: int) -> Iterator[bytes]:
    """A run's whole log as it was written."""
    read_runs.run(shed, run_id)
    return logs.read_log(shed.run_dir(run_id) / "log")


def follow_log(shed: Shed, run_id: int, count: int, wait: Callable[[], bool]) -> Iterator[str]:
    """The last `count` lines of a run's log, then each line as it is written, until the run has ended.

    `wait` lets some time pass between two looks; it returns False when nobody listens any more.
    """
    path = shed.run_dir(run_id) / "log"
    read_runs.run(shed, run_id)
    position = path.stat().st_size if path.exists() else 0
    yield from logs.last_lines(path, count)
    rest = b""
    going_on = True
    while going_on:
        going_on = wait() and read_runs.run(shed, run_id).status == "running"
        size = path.stat().st_size if path.exists() else 0
        if size <= position:
            continue
        pieces = b"".join(logs.read_log(path, position))
        position = size
        *lines, rest = (rest + pieces).split(b"\n")
        yield from (logs.plain(line.decode(errors="replace")) for line in lines)
    if rest:
        yield logs.plain(rest.decode(errors="replace"))


def add_note(shed: Shed, run_id: int, text: str) -> None:
    """Raises UsageError for an empty note, or when there is no such run."""
    read_runs.run(shed, run_id)
    write_runs.add_note(shed, run_id, text)


def add_tags(shed: Shed, run_id: int, tags: tuple[str, ...]) -> None:
    """Raises UsageError for a tag that breaks the rule for names, or when there is no such run."""
    read_runs.run(shed, run_id)
    for tag in tags:
        write_runs.add_tag(shed, run_id, tag)


def remove(shed: Shed, run_ids: list[int]) -> int:
    """Forget runs: their rows and directories. Returns the bytes that this freed.

    Raises:
        UsageError: at the first that is running or made a model version; those before it are gone then.
    """
    from runners.actions.liveness import at_work

    freed = 0
    for run_id in run_ids:
        run = read_runs.run(shed, run_id)
        if run.status == "running" and not at_work(shed, run):
            write_runs.finish(shed, run_id, "failed", 1, "its supervisor was gone")
        write_runs.remove(shed, run_id)
        directory = shed.run_dir(run_id)
        freed += sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
        shutil.rmtree(directory, ignore_errors=True)
    return freed


def shown_metrics(metrics: dict[str, RunMetric]) -> list[tuple[str, RunMetric]]:
    """Metrics in the order people look for them: what was measured on test rows first, then the rest by name."""
    return sorted(metrics.items(), key=lambda item: (not item[0].startswith("test/"), item[0]))
