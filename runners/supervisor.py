"""A run's parent: starts the child, owns its process group, listens, samples, stops it, and says how it ended.

Child and supervisor share files only, so either may die alone. When the supervisor does, the child goes on, and `adopt`
takes over: by its identity in RUN_DIR/child.json, and by the result it leaves.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners.supervision.childfile import Child
from runners.supervision.events import EventTail, OnEvent
from runners.supervision.interrupts import Interrupts
from runners.supervision.logs import BoundedLog
from runners.supervision.outcome import MemoryKills, Outcome, read_result
from runners.supervision.processes import MARK, alive, end_group, identify
from runners.supervision.sampling import Sampler
from runners.supervision.watching import DEFAULT_LIMITS, Limits, Supervision, stop
from storage.errors import RunFailed

__all__ = ["Limits", "Outcome", "adopt", "stop", "supervise", "torchrun_command"]


def supervise(
    command: Sequence[str],
    *,
    run_dir: Path,
    out_dir: Path,
    env: Mapping[str, str],
    cwd: Path,
    timeout_s: float | None = None,
    on_event: OnEvent = lambda event: None,
    sample: bool = True,
    gpu_indices: Sequence[int] | None = None,
    attempt: int = 1,
    limits: Limits = DEFAULT_LIMITS,
    pass_fds: Sequence[int] = (),
    needs_result: bool = True,
) -> Outcome:
    """Run `command` as the child of the run in `run_dir`, until it and everything it started have ended.

    Its output goes to RUN_DIR/log, behind what an earlier attempt wrote. `on_event` gets each line of events.jsonl as a
    dict, and from here `{"event": "stopping", "at", "reason"}` when the child is asked to stop. When it raises, the run
    goes on and the event comes again; an error that stays is raised after the run has ended. With `sample` the machine
    is sampled (see `runners.supervision.sampling`), of its GPUs those in `gpu_indices` (in NVML's order; None: all).
    The child inherits `pass_fds`: what they lock stays locked as long as any of its processes lives. Without
    `needs_result` an exit code of 0 is all that `done` takes.

    Ctrl-C and SIGTERM to this process stop the child (twice: at once) and show in the outcome; nothing is raised,
    unless they come too late to stop it.

    Raises:
        RunFailed: when the child cannot be started, or the run has a supervisor already.
    """
    with _only_supervisor(run_dir), Interrupts() as interrupts:
        before = Child.read(run_dir)
        log = BoundedLog(run_dir / "log", limits.log_bytes)
        for stale in (out_dir / "result.json", run_dir / "stop"):
            stale.unlink(missing_ok=True)
        first_at = before.first_at if before else time.time()
        child = Child(list(command), attempt, log.size, first_at, needs_result=needs_result)
        child.write(run_dir)
        EventTail(run_dir).close_torn_line()
        process = _start(child, log, env, cwd, pass_fds)
        try:
            identity = identify(process.pid)
            child = replace(child, identity=identity, kills_before=MemoryKills.now(process.pid))
            child.write(run_dir)
        except BaseException:
            process.kill()
            process.wait()
            raise
        sampler = Sampler(identity, run_dir, first_at=child.first_at, gpu_indices=gpu_indices) if sample else None
        return Supervision(
            child, identity, process, run_dir, out_dir, timeout_s, on_event, limits, interrupts, sampler
        ).to_the_end()


def adopt(
    run_dir: Path,
    out_dir: Path,
    *,
    timeout_s: float | None = None,
    on_event: OnEvent = lambda event: None,
    sample: bool = True,
    gpu_indices: Sequence[int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome | None:
    """Take over the child of a supervisor that has died: wait for its end, or read the result that it left.

    None when there is nothing to take over: no child was ever started, it ended without a result, or a supervisor has
    seen its run end and it was no success. Events that the dead supervisor handed on just before may come once more.

    Raises:
        RunFailed: when the run has a living supervisor.
    """
    if not (run_dir / "child.json").exists():
        return None
    with _only_supervisor(run_dir), Interrupts() as interrupts:
        child = Child.read(run_dir)
        if child is None:
            return None
        identity = child.find()
        lives = alive(identity)
        if not lives and not _left_a_result(child, read_result(out_dir)):
            end_group(identity, mark=child.mark, grace_s=limits.kill_after_s)
            return None
        sampler = None
        if sample and lives:
            sampler = Sampler(identity, run_dir, first_at=child.first_at, gpu_indices=gpu_indices)
        return Supervision(
            child, identity, None, run_dir, out_dir, timeout_s, on_event, limits, interrupts, sampler
        ).to_the_end()


def torchrun_command(python: Path, processes: int, child: Path, job: Path) -> list[str]:
    """The command that runs `child` once a GPU, all on this machine, each with its rank."""
    torchrun = [str(python), "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*torchrun, str(child), str(job)]


def _left_a_result(child: Child, result: dict[str, Any] | None) -> bool:
    """Whether there is a result that counts: not one of a run that a supervisor saw fail or stop."""
    if result is None or child.ended is None:
        return result is not None
    return bool(result.get("ok")) and child.ended.stopped is None


@contextmanager
def _only_supervisor(run_dir: Path) -> Iterator[None]:
    """Hold the run's lock, which the kernel frees when this process dies."""
    path = run_dir / "supervisor.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as err:
        raise RunFailed(f"cannot open the run's lock: {err.strerror}", place=str(path)) from err
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailed("this run has a living supervisor already", place=str(run_dir)) from None
        yield
    finally:
        os.close(fd)


def _start(
    child: Child, log: BoundedLog, env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        out = log.open()
    except OSError as err:
        raise RunFailed(f"the log cannot be opened: {err.strerror}", place=str(log.path)) from err
    try:
        return subprocess.Popen(
            child.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={"PYTHONUNBUFFERED": "1", **env, MARK: child.mark},  # unbuffered: a killed child has said all it said
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as err:
        raise RunFailed(
            f"cannot be started: {err.strerror}",
            place=child.command[0],
            todo="see `[project] python` and `[train] command` in trainshed.toml",
        ) from err
    finally:
        os.close(out)
