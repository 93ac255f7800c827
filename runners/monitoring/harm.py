"""Columns that drifted, ranked by the harm they likely do: the model's lean on them times how far they moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runners.monitoring.drift import CHANCE, ColumnDrift


@dataclass(frozen=True)
class ColumnHarm:
    """One input of a model, how far it moved, and what that likely does.

    Attributes:
        importance: what the model's metric loses without this column; None where nobody could measure it.
        harm: the column's share of all importance times the Jensen–Shannon distance (0 to 1) that it moved; without
            any importance the distance alone. 0 where it moved no further than chance moves it.
    """

    drift: ColumnDrift
    importance: float | None
    harm: float

    @property
    def column(self) -> str:
        return self.drift.column

    @property
    def by_chance(self) -> bool:
        return self.drift.p >= CHANCE


def ranked(drifts: Sequence[ColumnDrift], importance: Mapping[str, float]) -> list[ColumnHarm]:
    """The columns, the most harmful first. `importance` may be empty: then they are ranked by how far they moved."""
    total = sum(importance.values())
    found = []
    for drift in drifts:
        its = importance.get(drift.column)
        weight = its / total if its is not None and total > 0 else 1.0 if not importance else 0.0
        moved = math.sqrt(drift.js) if drift.p < CHANCE else 0.0
        found.append(ColumnHarm(drift, its, weight * moved))
    return sorted(found, key=lambda each: (-each.harm, each.by_chance, -each.drift.psi, each.column))
