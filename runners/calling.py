"""Calling the user's code: writes the child's job, has it supervised, and reads its result back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from runners import supervisor
from runners.listening import Listener
from runners.pipeline import Context, Hold
from runners.supervision.outcome import Outcome
from runners.supervision.peaks import gpu_peak
from storage.errors import RunFailed
from storage.write import runs as write_runs

CHILD = Path(__file__).parent / "child.py"
LOG_LINES = 8
TRAINING = ("train", "command")


def call(
    context: Context, call_name: str, entry: str | None, *, directory: Path, out: Path, **job: Any
) -> dict[str, Any]:
    """Have the child make one call in the user's interpreter and return its result.

    `directory` takes its log, events and series, `out` its files. A child that a dead supervisor left running, and a
    result that it left, are taken over; else a new child starts, which finds the checkpoints of the one before.

    Raises:
        RunFailed: with the reason in words, the user's file and line, and the last lines of the log.
        KeyboardInterrupt: when somebody stopped it; no process of it is left then.
    """
    context.shed.make_dir(directory)
    context.shed.make_dir(out)
    with _turn(context, call_name) as hold, Listener(context, directory) as listener, _child_at_work(context):
        timeout = context.spec.train.timeout_minutes
        limits = {"timeout_s": timeout * 60 if timeout else None, "gpu_indices": hold.gpu_indices}
        outcome = supervisor.adopt(directory, out, on_event=listener.hear, **limits)  # type: ignore[arg-type]
        if outcome is None:
            command = _command(context, _write_job(context, call_name, entry, directory, out, job), call_name)
            outcome = supervisor.supervise(
                command,
                run_dir=directory,
                out_dir=out,
                env={**context.env, **hold.env},
                cwd=_cwd(context, call_name, out),
                on_event=listener.hear,
                attempt=context.run.attempt,
                pass_fds=hold.fds,
                **limits,  # type: ignore[arg-type]
            )
    gpu_bytes = gpu_peak(directory, since=context.run.started_at or 0.0)
    write_runs.peaks(context.shed, context.run_id, rss_bytes=outcome.peak_rss_bytes, gpu_bytes=gpu_bytes)
    if outcome.status == "stopped":
        raise KeyboardInterrupt(outcome.reason)
    if outcome.status != "done" or outcome.result is None:
        raise _failure(outcome, directory)
    return outcome.result


def _turn(context: Context, call_name: str) -> AbstractContextManager[Hold]:
    if context.take_turn is not None and call_name in TRAINING:
        return context.take_turn()
    return nullcontext(context.hold)


@contextmanager
def _child_at_work(context: Context) -> Iterator[None]:
    context.child_at_work = True
    try:
        yield
    finally:
        context.child_at_work = False


def _write_job(
    context: Context, call_name: str, entry: str | None, directory: Path, out: Path, job: dict[str, Any]
) -> Path:
    train, features = context.spec.train, context.spec.features
    full_job = {
        "call": call_name,
        "entry": entry,
        "code_dir": str(context.code_dir),
        "project_dir": str(context.project_dir),
        "run_dir": str(directory),
        "out_dir": str(out),
        "data_dir": None,
        "params": dict(train.params),
        "seed": train.seed,
        "gpus": train.gpus,
        "task": features.task if features else None,
        "classes": [],
        "features": [],
        "categories": {},
        "attempt": context.run.attempt,
        "command": None,
        **job,
    }
    path = directory / "job.json"
    path.write_text(json.dumps(full_job, indent=1, default=str), encoding="utf-8")
    return path


def _cwd(context: Context, call_name: str, out: Path) -> Path:
    # `python -m` imports from the working directory first, and a project may have a queue.py. The child itself goes to
    # the project, and keeps its modules apart.
    return out if _by_torchrun(context, call_name) else context.project_dir


def _by_torchrun(context: Context, call_name: str) -> bool:
    return call_name == "train" and context.spec.train.gpus > 1


def _command(context: Context, job: Path, call_name: str) -> list[str]:
    if _by_torchrun(context, call_name):
        return supervisor.torchrun_command(context.python, context.spec.train.gpus, CHILD, job)
    return [str(context.python), str(CHILD), str(job)]


def _failure(outcome: Outcome, directory: Path) -> RunFailed:
    log = "\n".join(f"    {line}" for line in outcome.last_log_lines[-LOG_LINES:])
    failure = RunFailed(
        outcome.reason + (f"\n  last lines of its log:\n{log}" if log else ""),
        todo=f"the whole log is {directory / 'log'}; the same command goes on from the last checkpoint",
    )
    failure.facts = {"ending": outcome.ending}
    return failure
