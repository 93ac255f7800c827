"""One thing on the way, and how many of a kind are shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

MOST_SHOWN = 10  # of each kind of thing


@dataclass
class Node:
    """One thing on the way. `id` is what `trainshed lineage` takes; empty for a thing without one."""

    kind: str
    title: str
    id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)


def cut(nodes: list[Node], what: str) -> list[Node]:
    if len(nodes) <= MOST_SHOWN:
        return nodes
    return [*nodes[:MOST_SHOWN], Node("more", f"and {len(nodes) - MOST_SHOWN:,} more {what}")]


def when(at: float | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at is not None else None
