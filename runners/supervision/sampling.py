"""What a run costs the machine, once a second: processor, memory, disk and GPUs, as series in RUN_DIR/system/.

| name | meaning |
|---|---|
| `cpu/percent` | of the run's processes together; 100 is one core |
| `cpu/system_percent` | of the whole machine, 0 to 100 |
| `memory/rss_bytes` | resident memory of the run's processes; a page that two share counts twice |
| `memory/system_used_bytes` | what the machine has not available |
| `disk/free_bytes`, `disk/used_bytes` | of the file system with the run's directory |
| `disk/read_bytes_per_s`, `disk/write_bytes_per_s` | of its disk, by everybody; absent where it has none of its own |
| `gpu0/utilization_percent`, `gpu0/memory_used_bytes`, `gpu0/power_w`, `gpu0/temperature_c` | of each of its GPUs |
| `gpu0/memory_ours_bytes` | of it, by the run's processes, where the driver tells |

The step is the number of whole seconds since the run's first start. A value that cannot be read is NaN.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runners.gpus import Gpu, open_gpus
from runners.supervision.processes import Identity, Seen, all_pids, look, read_proc
from runners.userside.series import Writer

PERIOD_S = 1.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SECTOR = 512  # the kernel's unit for disks, whatever the disk's own
NAN = float("nan")


class Sampler:
    """Samples a run in a thread of its own, so that a driver or a disk that hangs holds up nothing else.

    Args:
        leader: the run's child.
        run_dir: gets the series, in `system/`.
        first_at: when the run's first attempt began, in seconds since the epoch.
        gpu_indices: the run's GPUs as NVML counts them; None: all of the machine.
    """

    def __init__(
        self, leader: Identity, run_dir: Path, *, first_at: float, gpu_indices: Sequence[int] | None = None
    ) -> None:
        self.pids: set[int] = {leader.pid}
        self.peak_rss_bytes = 0
        self._run_dir = run_dir
        self._first_at = first_at
        self._gpu_indices = gpu_indices
        self._group = GroupUse(leader)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainshed sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End sampling; what was sampled is on the disk then. Returns within a second also when a driver hangs."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        gpus = open_gpus(self._gpu_indices)
        machine = MachineUse(self._run_dir)
        try:
            writer = Writer(str(self._run_dir / "system"), keep=True)
        except OSError:  # a full disk: the run matters more than its curves
            return
        due = time.monotonic()
        try:
            while True:
                self._sample(writer, machine, gpus)
                due = max(due + PERIOD_S, time.monotonic())
                if self._end.wait(due - time.monotonic()):
                    return
        finally:
            with suppress(OSError):
                writer.close()

    def _sample(self, writer: Writer, machine: MachineUse, gpus: list[Gpu]) -> None:
        values = self._group.read()
        self.pids |= self._group.members.keys()
        self.peak_rss_bytes = max(self.peak_rss_bytes, int(values["memory/rss_bytes"]))
        values |= machine.read()
        for gpu in gpus:
            values |= gpu.read(self._group.members.keys())
        writer.log(values, int(time.time() - self._first_at))


class GroupUse:
    """Processor and memory of a process and all that it started.

    A process is looked at closely once: who is a stranger when he first appears stays one, and a look at all processes
    costs no more than a listing of their numbers.
    """

    def __init__(self, leader: Identity) -> None:
        self.members: dict[int, Seen] = {}
        self._leader = leader
        self._strangers: set[int] = {os.getpid()}
        self._at = 0.0

    def read(self) -> dict[str, float]:
        pids = all_pids()
        self._strangers.intersection_update(pids)
        before, self.members = self.members, {}
        unknown = set(pids) - self._strangers - before.keys()
        for pid in (*before, *sorted(unknown, key=lambda pid: (pid != self._leader.pid, pid))):
            seen = look(pid)
            if seen is not None and self._is_member(seen, before):
                self.members[pid] = seen
            else:
                self._strangers.add(pid)
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        ticks = sum(seen.cpu_ticks - _ticks_before(seen, before) for seen in self.members.values()) if before else 0
        return {
            "cpu/percent": 100 * ticks / TICKS_PER_S / seconds,
            "memory/rss_bytes": float(sum(seen.rss_pages for seen in self.members.values()) * PAGE),
        }

    def _is_member(self, seen: Seen, before: dict[int, Seen]) -> bool:
        if seen.pid == self._leader.pid:
            return seen.started == self._leader.started
        known = before.get(seen.pid)
        return (
            (known is not None and known.started == seen.started)
            or seen.session == self._leader.pid
            or seen.parent in self.members
        )


def _ticks_before(seen: Seen, before: dict[int, Seen]) -> int:
    known = before.get(seen.pid)
    return known.cpu_ticks if known is not None and known.started == seen.started else 0


class MachineUse:
    """Processor and memory of the machine, and the disk below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._disk = _disk_counters(directory)
        self._cpu = (0, 0)
        self._io = (0, 0)
        self._at = 0.0
        self.read()

    def read(self) -> dict[str, float]:
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        busy, total = _cpu_ticks()
        percent = 100 * (busy - self._cpu[0]) / (total - self._cpu[1]) if total > self._cpu[1] else NAN
        self._cpu = (busy, total)
        values = {"cpu/system_percent": percent, "memory/system_used_bytes": _memory_used()}
        values |= {"disk/free_bytes": NAN, "disk/used_bytes": NAN}
        with suppress(OSError):
            found = os.statvfs(self._directory)
            values["disk/free_bytes"] = float(found.f_bavail * found.f_frsize)
            values["disk/used_bytes"] = float((found.f_blocks - found.f_bfree) * found.f_frsize)
        if self._disk:
            fields = read_proc(self._disk).split()
            io = (int(fields[2]) * SECTOR, int(fields[6]) * SECTOR) if len(fields) > 6 else self._io
            long_enough = seconds > PERIOD_S / 10
            values["disk/read_bytes_per_s"] = (io[0] - self._io[0]) / seconds if long_enough else NAN
            values["disk/write_bytes_per_s"] = (io[1] - self._io[1]) / seconds if long_enough else NAN
            self._io = io
        return values


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all ticks of the machine since its boot."""
    fields = [int(field) for field in read_proc("/proc/stat").partition(b"\n")[0].split()[1:9]]
    return sum(fields) - sum(fields[3:5]), sum(fields)  # idle, and idle while waiting for a disk


def _memory_used() -> float:
    found = dict(line.split(b":", 1) for line in read_proc("/proc/meminfo").splitlines() if b":" in line)
    kib = [int(found[name].split()[0]) for name in (b"MemTotal", b"MemAvailable") if name in found]
    return float(kib[0] - kib[1]) * 1024 if len(kib) == 2 else NAN


def _disk_counters(directory: Path) -> str:
    """The kernel's counters of the disk that holds `directory`; empty for a file system without one of its own."""
    with suppress(OSError):
        device = directory.stat().st_dev
        path = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
        return path if read_proc(path) else ""
    return ""
