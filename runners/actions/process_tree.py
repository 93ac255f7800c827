"""The processes on a device as a tree: an agent, its runs' supervisors, their children, and what those started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runners import leases
from runners.leases import Holder
from runners.leasing.strangers import belonging, command_of, user_of
from runners.supervision.processes import Seen
from storage.shed import Shed

AGENT = "runners.agent"  # stands in the command line of every agent

Role = Literal["agent", "supervisor", "child", ""]


@dataclass(frozen=True)
class Process:
    """A process on a device, or one that it comes from.

    Attributes:
        memory_bytes: of the device; None for one that takes nothing of it.
        run: the one it belongs to; None for a stranger, and for an agent, which may have several.
        role: what it is to its run; empty for what a child started, and for a stranger.
        parent: the one above it in the tree, None at the top.
        depth: how many stand above it.
    """

    pid: int
    user: str
    command: str
    memory_bytes: int | None
    run: int | None
    role: Role
    parent: int | None
    depth: int

    @property
    def stranger(self) -> bool:
        return self.run is None and self.role != "agent"


@dataclass(frozen=True)
class Owned:
    """The processes of a device's holders: which run each belongs to, and what it is to that run."""

    runs: dict[int, int]
    roles: dict[int, Role]


def owned(shed: Shed, held_by: Sequence[Holder], seen: Mapping[int, Seen]) -> Owned:
    """Whose of the processes `seen` are, with the agents above them."""
    runs: dict[int, int] = {}
    roles: dict[int, Role] = {}
    for holder in held_by:
        roots = leases.roots(shed, [holder])
        runs |= dict.fromkeys(belonging(roots, seen), holder.run_id)
        for root in roots:
            roles[root.pid] = "supervisor" if root == holder.process else "child"
        above = seen[holder.pid].parent if holder.pid in runs and holder.pid in seen else 0
        if above not in runs and AGENT in command_of(above):
            roles[above] = "agent"
    return Owned(runs, {pid: role for pid, role in roles.items() if pid in runs or role == "agent"})


def tree(found: Owned, seen: Mapping[int, Seen], memory: Mapping[int, int | None]) -> list[Process]:
    """The processes that `memory` names and those they come from, each below its parent."""
    known = found.runs.keys() | found.roles.keys()
    parents: dict[int, int | None] = {}
    for pid in memory:
        while pid not in parents:
            above = seen[pid].parent if pid in known and pid in seen else 0
            parents[pid] = above if above in known else None
            pid = above if above in known else pid
    return [
        Process(
            pid, user_of(pid), command_of(pid), memory.get(pid), found.runs.get(pid), found.roles.get(pid, ""),
            parents[pid], depth,
        )
        for pid, depth in _walked(parents, None, 0)
    ]  # fmt: skip


def _walked(parents: Mapping[int, int | None], above: int | None, depth: int) -> Iterator[tuple[int, int]]:
    for pid in sorted(pid for pid, parent in parents.items() if parent == above):
        yield pid, depth
        yield from _walked(parents, pid, depth + 1)
