"""A trigger of a small project, at work in this process by clocks that the test turns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runners.triggers.orders import Orders
from storage.project import load_project
from storage.read import triggers as read_triggers
from storage.read.triggers import FiringRow
from storage.shed import Shed
from storage.tables import Trigger
from storage.write import triggers as write_triggers

PROJECT = '[project]\nname = "delays"\n[dataset]\nname = "flights"\nfiles = "data/*.csv"\n[train]\nentry = "m:f"\n'


@dataclass
class Clock:
    """Seconds, which stand still until somebody moves them."""

    now: float

    def __call__(self) -> float:
        return self.now


def watched(shed: Shed, folder: Path, text: str, *, project: str = PROJECT) -> tuple[Trigger, Orders]:
    """Register the one trigger that `text` says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainshed.toml").write_text(project + text)
    (spec,) = load_project(folder).trigger
    trigger, _ = write_triggers.register(
        shed, name=spec.called, project="delays", project_dir=str(folder), kind=spec.on, spec={}, request="r"
    )
    return trigger, Orders(folder, spec, {})


def firings(shed: Shed, *, but: tuple[str, ...] = ("begin",)) -> list[FiringRow]:
    """The oldest first."""
    return [row for row in reversed(read_triggers.history(shed)) if row.firing.decision not in but]
