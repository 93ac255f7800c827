"""How a run's child ended, in words: the result it left, the signal that ended it, the memory that ran out."""

from __future__ import annotations

import json
import os
import re
import signal as signals
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runners.supervision.logs import last_lines
from runners.supervision.processes import read_proc

Status = Literal["done", "failed", "stopped", "timed out"]
OutOfMemory = Literal["", "memory", "gpu memory"]
Ending = Literal["done", "exit", "signal", "memory", "gpu memory", "stopped", "timed out", "lost"]

GPU_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|HIP out of memory"
    r"|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|torch\.(?:cuda\.)?OutOfMemoryError"
)
HOST_MEMORY = re.compile(
    r"^(?:\w+\.)*_?(?:Array)?MemoryError\b|DefaultCPUAllocator: .*(?:alloc|memory)|Cannot allocate memory"
)
LAST_LINES = 20
CLOCK_SLACK_S = 60.0  # the kernel's log and the monotonic clock drift apart by a little
SEE_KERNEL_LOG = "`sudo dmesg | grep -i kill`"


@dataclass(frozen=True)
class Outcome:
    """How it ended.

    Attributes:
        status: `done` only with a result that says ok.
        exit_code: of the child; None when a signal ended it, or when its status was lost with an earlier supervisor.
        signal: the number of the signal that ended it, else None.
        reason: why it did not end well, one or two sentences; also set on `done` where the end was odd.
        error: the user's error: `type`, `message`, `traceback`, `file`, `line`; None when there was none.
        result: all of result.json, None when the child left none.
        last_log_lines: at most 20, as inert text.
        duration_s: seconds from the child's start to its end.
        peak_rss_bytes: the largest resident memory, of the whole group where it was sampled; None when unknown.
        out_of_memory: `memory`, `gpu memory`, or empty.
        interrupted: stopped by Ctrl-C, or by SIGTERM to the supervisor.
        left_behind: names of processes that outlived the child and were ended.
    """

    status: Status
    exit_code: int | None
    signal: int | None
    reason: str
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    last_log_lines: list[str]
    duration_s: float
    peak_rss_bytes: int | None
    out_of_memory: OutOfMemory = ""
    interrupted: bool = False
    left_behind: list[str] = field(default_factory=list)

    @property
    def ending(self) -> Ending:
        """How it ended, for programs that decide what comes next."""
        if self.status != "failed":
            return self.status
        if self.out_of_memory:
            return self.out_of_memory
        if self.signal is not None:
            return "signal"
        return "exit" if self.exit_code is not None or self.error is not None else "lost"


@dataclass(frozen=True)
class Stopped:
    """Why a supervisor ended its child: `stopped` by somebody, or `timed out`."""

    status: Literal["stopped", "timed out"]
    reason: str
    interrupted: bool = False


@dataclass(frozen=True)
class MemoryKills:
    """How often the kernel has killed for want of memory so far: in the child's control group, and on the machine."""

    counter_file: str = ""
    in_group: int = 0
    on_machine: int = 0
    at: float = 0.0  # on the clock of the kernel's log: seconds since the boot

    @classmethod
    def now(cls, pid: int | str = "self", counter_file: str = "") -> MemoryKills:
        """The counts now, for the control group of `pid` or for a `counter_file` known from before."""
        path = counter_file or _memory_counter_file(pid)
        return cls(path, _counter(path), _counter("/proc/vmstat"), time.monotonic())


def read_result(out_dir: Path) -> dict[str, Any] | None:
    """The child's result.json; None when it left none (it is renamed into place, so never half)."""
    try:
        result = json.loads((out_dir / "result.json").read_bytes())
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def judge(
    *,
    result: dict[str, Any] | None,
    stopped: Stopped | None,
    exit_code: int | None,
    killed_by: int | None,
    log: Path,
    log_start: int,
    pids: Collection[int],
    kills_before: MemoryKills,
    duration_s: float,
    peak_rss_bytes: int | None,
    left_behind: list[str],
    needs_result: bool = True,
) -> Outcome:
    """Weigh what is known about an ended child. `pids` are those it had, for the kernel's own account.

    Without `needs_result` an exit code of 0 is `done`, and one that nobody saw is no failure that could be told.
    """
    lines = last_lines(log, LAST_LINES, start=log_start)
    error = None
    if result is not None and not result.get("ok"):
        found = result.get("error")
        error = found if isinstance(found, dict) else {"type": "", "message": str(found)}
    status: Status = "failed"
    out_of_memory: OutOfMemory = ""
    if stopped is not None:
        status, reason = stopped.status, stopped.reason
    elif not needs_result and exit_code == 0:
        status, reason = "done", ""
    elif result is not None and error is None:
        status, reason = "done", _odd_end(exit_code, killed_by)
    else:
        out_of_memory = _what_ran_out(error, lines)
        reason = _why(error, exit_code, killed_by, out_of_memory, "" if not needs_result else " without a result")
        kernel = _kernel_account(pids, kills_before, killed_by)
        if kernel:
            out_of_memory, reason = "memory", f"out of memory: {kernel}" + (f"; {reason}" if error else "")
        elif killed_by == signals.SIGKILL:
            reason += f", maybe by the kernel's out-of-memory killer: see {SEE_KERNEL_LOG}"
    return Outcome(
        status=status,
        exit_code=exit_code,
        signal=killed_by,
        reason=reason,
        error=error,
        result=result,
        last_log_lines=lines,
        duration_s=duration_s,
        peak_rss_bytes=peak_rss_bytes,
        out_of_memory=out_of_memory,
        interrupted=stopped is not None and stopped.interrupted,
        left_behind=left_behind,
    )


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; `signal 40` for one without a name."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _odd_end(exit_code: int | None, killed_by: int | None) -> str:
    if killed_by is not None:
        return f"killed by signal {killed_by} ({signal_name(killed_by)}) after its result was complete"
    return f"exit code {exit_code} after its result was complete" if exit_code else ""


def _why(
    error: dict[str, Any] | None, exit_code: int | None, killed_by: int | None, out_of_memory: OutOfMemory, left: str
) -> str:
    if error is not None:
        place = f" ({error['file']}:{error['line']})" if error.get("file") and error.get("line") else ""
        text = ": ".join(str(part) for part in (error.get("type"), error.get("message")) if part)
        prefix = f"out of {out_of_memory}: " if out_of_memory else ""
        return f"{prefix}{text}{place}"
    if killed_by is not None:
        return f"killed by signal {killed_by} ({signal_name(killed_by)})"
    prefix = f"out of {out_of_memory}: " if out_of_memory else ""
    if exit_code is None:
        return prefix + "ended without a result while no supervisor watched, so its exit status is not known"
    return prefix + f"ended with exit code {exit_code}{left}"


def _what_ran_out(error: dict[str, Any] | None, lines: list[str]) -> OutOfMemory:
    said = [f"{error.get('type')}: {error.get('message')}"] if error else lines
    if any(GPU_MEMORY.search(line) for line in said) or (error and error.get("type") == "OutOfMemoryError"):
        return "gpu memory"
    return "memory" if any(HOST_MEMORY.search(line) for line in said) else ""


def _kernel_account(pids: Collection[int], before: MemoryKills, killed_by: int | None) -> str:
    """What the kernel says about killing one of `pids` for want of memory; empty when it says nothing."""
    for seconds, message in _kernel_log():
        found = re.search(r"Killed process (\d+) \(([^)]*)\)", message)
        if found and int(found[1]) in pids and seconds > before.at - CLOCK_SLACK_S:
            return f"the kernel killed process {found[1]} ({found[2]})"
    after = MemoryKills.now(counter_file=before.counter_file)
    if before.counter_file and after.in_group > before.in_group:
        return "the kernel killed a process of this run's control group"
    if killed_by == signals.SIGKILL and after.on_machine > before.on_machine:
        return f"killed by signal 9 (SIGKILL) while the kernel had to kill for want of memory: see {SEE_KERNEL_LOG}"
    return ""


def _kernel_log() -> list[tuple[float, str]]:
    """The kernel's messages with their time in seconds since the boot, where this user may read them."""
    records = []
    with suppress(OSError):  # not ours to read, or EAGAIN at the end
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while True:
                head, _, message = os.read(fd, 8192).decode(errors="replace").partition(";")
                records.append((int(head.split(",")[2]) / 1e6, message))
        finally:
            os.close(fd)
    return records


def _memory_counter_file(pid: int | str) -> str:
    for line in read_proc(f"/proc/{pid}/cgroup").decode(errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        candidates = {
            "": f"/sys/fs/cgroup{path}/memory.events",
            "memory": f"/sys/fs/cgroup/memory{path}/memory.oom_control",
        }
        found = candidates.get(controllers)
        if found and read_proc(found):
            return found
    return ""


def _counter(path: str) -> int:
    found = re.search(rb"^oom_kill (\d+)", read_proc(path), re.MULTILINE) if path else None
    return int(found[1]) if found else 0
