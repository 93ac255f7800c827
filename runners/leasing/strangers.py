"""Who holds memory on a GPU that no lease explains. Nobody is ever ended for it: the lease waits, and he is named."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Mapping
from contextlib import suppress

from runners.gpus import GpuProcess, Reading
from runners.scheduling.reasons import gigabytes
from runners.supervision.processes import Identity, Seen, all_pids, boot_id, descendants, look, read_proc

UNEXPLAINED_BYTES = 1 << 30  # so much on a GPU without a lease or a process that the driver names is somebody's


def everyone() -> dict[int, Seen]:
    """All processes that can be seen now, by their pid."""
    return {seen.pid: seen for pid in all_pids() if (seen := look(pid)) is not None}


def strangers(reading: Reading, roots: Collection[Identity], seen: Mapping[int, Seen]) -> list[GpuProcess]:
    """The computing processes that belong to none of `roots`: the processes of the lease's holders.

    To a root belong the session it leads and all descendants. A process that cannot be seen (of another pid namespace,
    or hidden by /proc's `hidepid`) is taken for the holder's where there is one, for a stranger's where there is none.
    A desktop's process, which draws as well, is none: nobody could ever train on that GPU.
    """
    ours = belonging(roots, seen) | {process.pid for process in reading.drawing}
    return [
        process for process in reading.computing or () if process.pid not in ours and (process.pid in seen or not roots)
    ]


def belonging(roots: Collection[Identity], seen: Mapping[int, Seen]) -> set[int]:
    """The pids of the roots that still run, of the sessions they lead or led, and of all that these started."""
    ours: set[int] = set()
    for root in roots:
        if root.boot != boot_id():
            continue
        now = seen.get(root.pid)
        if now is not None and now.started != root.started:
            continue  # the number is somebody else's by now, and so is a session of that number
        ours |= {pid for pid, each in seen.items() if each.session == root.pid and each.started >= root.started}
        if now is not None:
            ours.add(root.pid)
    return ours | descendants(ours, dict(seen))


def told(reading: Reading, found: Collection[GpuProcess], *, held: bool) -> str:
    """The strangers of a GPU in words, `python (pid 123, bob) 11 GB`; empty where there are none.

    On a GPU that is not `held` by a lease, memory that the driver gives to nobody counts too.
    """
    words = [name_of(process.pid) for process in found]
    for place, process in enumerate(found):
        if process.memory_bytes is not None:
            words[place] += f" {gigabytes(process.memory_bytes)}"
    unexplained = _unexplained(reading)
    if not words and not held and unexplained > UNEXPLAINED_BYTES:
        words = [f"processes that cannot be seen from here {gigabytes(unexplained)}"]
    return ", ".join(words)


def name_of(pid: int) -> str:
    """`python (pid 123, bob)`; `pid 123` for a process that cannot be seen."""
    seen, user = look(pid), user_of(pid)
    if seen is None:
        return f"pid {pid}"
    return f"{seen.name} (pid {pid}, {user})" if user else f"{seen.name} (pid {pid})"


def user_of(pid: int) -> str:
    """The user whose process it is; empty where it cannot be seen."""
    try:
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 (one call for a path that is no file's)
    except OSError:
        return ""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def command_of(pid: int) -> str:
    """The process's command line; its name where it cannot be read, empty where it is gone."""
    words = read_proc(f"/proc/{pid}/cmdline").rstrip(b"\0").split(b"\0")
    text = b" ".join(words).decode(errors="replace")
    if text:
        return text
    seen = look(pid)
    return seen.name if seen else ""


def _unexplained(reading: Reading) -> int:
    known = {each.pid: each.memory_bytes for each in (*reading.drawing, *(reading.computing or ()))}
    return (reading.used_bytes or 0) - sum(size or 0 for size in known.values()) if None not in known.values() else 0
