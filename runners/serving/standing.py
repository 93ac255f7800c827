"""How an endpoint stands: one small file that its supervisor writes whenever something changes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runners.supervision.processes import Identity, alive
from storage.durable import write_whole


@dataclass
class WorkerStanding:
    """A worker: which process, since when, and how often its place was filled again."""

    process: dict[str, Any]
    since: float
    restarts: int
    digest: str


@dataclass
class Standing:
    """`serving` is the version that answers, `trouble` why a newer one does not (empty where nothing is wrong)."""

    name: str
    port: int
    state: str = "starting"  # starting, serving, failing, stopping
    since: float = field(default_factory=time.time)
    supervisor: dict[str, Any] = field(default_factory=dict)
    serving: dict[str, Any] | None = None
    serving_since: float | None = None
    trouble: str = ""
    swaps: int = 0
    workers: list[WorkerStanding] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        write_whole(folder / "standing.json", json.dumps(asdict(self)).encode())

    @property
    def alive(self) -> bool:
        return is_alive(self.supervisor)


def lock_name(name: str) -> str:
    """The lock that an endpoint's supervisor holds as long as it lives."""
    return f"endpoint-{name}"


def read(folder: Path) -> Standing | None:
    """The last standing that was written; None where there is none."""
    try:
        raw = json.loads((folder / "standing.json").read_bytes())
        raw["workers"] = [WorkerStanding(**worker) for worker in raw["workers"]]
        return Standing(**raw)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_alive(process: dict[str, Any]) -> bool:
    try:
        return alive(Identity.from_json(process))
    except (KeyError, TypeError, ValueError):
        return False
