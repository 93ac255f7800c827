"""Which process is which, and signals that can only reach our own.

A pid alone is no identity: the kernel gives it out again. With the start time and the boot it is one. Signals go
through a pidfd, which holds on to one process: its identity is checked after the pidfd is open, so that no stranger
who inherited the number is ever hit. Needs Linux.
"""

from __future__ import annotations

import os
import select
import signal as signals
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

MARK = "TRAINSHED_PROCESS"  # in the environment of a child and of everything that it starts


@dataclass(frozen=True)
class Identity:
    """One process, for all time: its pid, its start (clock ticks since the boot) and the boot."""

    pid: int
    started: int
    boot: str

    def to_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "started": self.started, "boot": self.boot}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Identity:
        """The identity that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: when `data` is something else.
        """
        return cls(int(data["pid"]), int(data["started"]), str(data["boot"]))


@dataclass(frozen=True)
class Seen:
    """What `/proc/PID/stat` says at one moment. `cpu_ticks` is user and system time together."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    cpu_ticks: int
    started: int
    rss_pages: int

    @property
    def dead(self) -> bool:
        """A zombie: ended, and only kept until its parent asks how."""
        return self.state in "ZXx"


def look(pid: int) -> Seen | None:
    """What the kernel says about `pid` now; None when there is no such process."""
    raw = read_proc(f"/proc/{pid}/stat")
    # The name stands in parentheses and may hold anything, parentheses and spaces too.
    head, _, tail = raw.rpartition(b")")
    fields = tail.split()
    if len(fields) < 22:
        return None
    name = head.partition(b"(")[2].decode(errors="replace")
    return Seen(
        pid=pid,
        name=name,
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        started=int(fields[19]),
        rss_pages=int(fields[21]),
    )


def read_proc(path: str) -> bytes:
    """The bytes of a file below /proc or /sys; empty where it is gone, hidden or unknown to this kernel."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while chunk := os.read(fd, 65536):
            data += chunk
        return data
    except OSError:  # the process ended between the two calls
        return b""
    finally:
        os.close(fd)


@cache
def boot_id() -> str:
    """The kernel's name for this boot of the machine."""
    return read_proc("/proc/sys/kernel/random/boot_id").decode().strip()


def identify(pid: int) -> Identity:
    """The identity of a process that is there now (a zombie still is).

    Raises:
        ProcessLookupError: when no process has this pid.
    """
    seen = look(pid)
    if seen is None:
        raise ProcessLookupError(f"no process has the pid {pid}")
    return Identity(pid, seen.started, boot_id())


def identify_self() -> Identity:
    """The identity of this process."""
    return identify(os.getpid())


def alive(identity: Identity) -> bool:
    """Whether this very process still runs. A zombie does not."""
    seen = _same(identity)
    return seen is not None and not seen.dead


def watch(identity: Identity) -> int | None:
    """A pidfd that becomes readable when the process ends; the caller closes it. It need not be a child of ours.

    None when the process is gone, or when the kernel has no pidfds (Linux below 5.3): ask `alive` then.
    """
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if _same(identity) is None:
        os.close(fd)
        return None
    return fd


def signal(identity: Identity, sig: int) -> bool:
    """Send `sig` to this very process; False when it is gone or not ours to signal."""
    fd = watch(identity)
    if fd is None:
        return _signal_without_pidfd(identity, sig)
    try:
        signals.pidfd_send_signal(fd, sig)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)


def members(leader: Identity, *, mark: str = "") -> list[Identity]:
    """The living processes that `leader` started (as the leader of a session of its own), and itself while it lives.

    As long as the leader is there, be it as a zombie, its session and its descendants are surely ours. Once it is gone
    its number may be a stranger's, so only processes that carry `mark` in their environment count, with their sessions
    and descendants. Never this process itself.
    """
    everyone = {seen.pid: seen for pid in all_pids() if (seen := look(pid)) is not None}
    ours = {leader.pid} if _same(leader) is not None else set()
    if mark:
        ours |= {pid for pid in everyone if marked(pid, mark)}
    if leader.pid in ours or any(everyone[pid].session == leader.pid for pid in ours if pid in everyone):
        # A number that names a session is not given out as a pid: this session is the leader's, also after its end.
        ours |= {pid for pid, seen in everyone.items() if seen.session == leader.pid}
    ours |= descendants(ours, everyone)
    return [
        Identity(pid, everyone[pid].started, boot_id())
        for pid in sorted(ours - {os.getpid()})
        if pid in everyone and not everyone[pid].dead
    ]


def signal_group(leader: Identity, sig: int, *, mark: str = "") -> int:
    """Send `sig` to every process of `members`; returns how many it reached."""
    return sum(signal(member, sig) for member in members(leader, mark=mark))


def end_group(leader: Identity, *, mark: str = "", grace_s: float, kill_s: float = 5.0) -> list[str]:
    """End all `members`: TERM, and after `grace_s` KILL, until none is left or `kill_s` are over.

    Returns the names of the processes that were there.
    """
    found = members(leader, mark=mark)
    names = [seen.name for member in found if (seen := look(member.pid)) is not None]
    if found and grace_s > 0:
        for member in found:
            signal(member, signals.SIGTERM)
        wait_gone(found, grace_s)
        found = members(leader, mark=mark)
    give_up = time.monotonic() + kill_s
    while found and time.monotonic() < give_up:  # again and again: a process may fork while the others are killed
        for member in found:
            signal(member, signals.SIGKILL)
        wait_gone(found, 0.2)
        found = members(leader, mark=mark)
    return names


def wait_gone(identities: Iterable[Identity], timeout_s: float) -> bool:
    """Wait until all these processes have ended; False when some still run after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    for identity in identities:
        fd = watch(identity)
        if fd is None:
            while alive(identity) and time.monotonic() < deadline:
                threading.Event().wait(0.05)
        else:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            os.close(fd)
        if alive(identity):
            return False
    return True


def all_pids() -> list[int]:
    """Every pid that this process may see."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 (ten times faster)


def descendants(roots: set[int], everyone: dict[int, Seen]) -> set[int]:
    """The pids below `roots` in the tree of parents."""
    children: dict[int, list[int]] = {}
    for seen in everyone.values():
        children.setdefault(seen.parent, []).append(seen.pid)
    found: set[int] = set()
    todo = [pid for pid in roots if pid > 1]
    while todo:
        for pid in children.get(todo.pop(), []):
            if pid not in found:
                found.add(pid)
                todo.append(pid)
    return found


def marked(pid: int, mark: str) -> bool:
    """Whether the process was started with `mark` in its environment."""
    return f"{MARK}={mark}".encode() in read_proc(f"/proc/{pid}/environ").split(b"\0")


def _same(identity: Identity) -> Seen | None:
    seen = look(identity.pid)
    if seen is None or seen.started != identity.started or identity.boot != boot_id():
        return None
    return seen


def _signal_without_pidfd(identity: Identity, sig: int) -> bool:
    if not alive(identity):
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(identity.pid, sig)  # the instant since the check is the best an old kernel allows
        return True
    return False
