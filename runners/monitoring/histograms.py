"""Predictions now beside those on the rows that the model was evaluated on. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runners.evaluation.decisions import decided
from runners.evaluation.heldout import Floats
from runners.monitoring import drift
from runners.monitoring.drift import ColumnDrift
from storage.project import Task

BINS = 20
SHOWN_CLASSES = 20
OTHER = "(other)"
NAME = "prediction"


@dataclass(frozen=True)
class Histogram:
    """Shares of rows by what was predicted: in `bins` (low, high), or by class where there is no order.

    Attributes:
        labels: of each bin, for people.
        now: of the predictions in the log.
        trained: on the rows that the model was evaluated on, when it was trained.
        rows: how many predictions each side has.
        drift: how far the two are apart.
    """

    labels: list[str]
    bins: list[tuple[float, float]] | None
    now: list[float]
    trained: list[float]
    rows: tuple[int, int]
    drift: ColumnDrift


def histogram(task: Task, classes: Sequence[str], now: Floats, trained: Floats) -> Histogram | None:
    """Both sides in the same bins; None where one of them has no row."""
    moved = shift(task, classes, now, trained)
    if moved is None:
        return None
    rows = len(now), len(trained)
    if task == "multiclass":
        counts = [np.bincount(decided(task, side), minlength=len(classes)) / len(side) for side in (now, trained)]
        order = np.argsort(-(counts[0] + counts[1]), kind="stable")[:SHOWN_CLASSES]
        shares = [side[order].tolist() for side in counts]
        labels = [classes[place] for place in order]
        if len(classes) > SHOWN_CLASSES:
            labels.append(OTHER)
            shares = [[*side, max(0.0, 1 - sum(side))] for side in shares]
        return Histogram(labels, None, shares[0], shares[1], rows, moved)
    low, high = (0.0, 1.0) if task == "binary" else _range(now, trained)
    edges = np.linspace(low, high, BINS + 1)
    held = [np.histogram(np.clip(side, low, high), edges)[0] / len(side) for side in (now, trained)]
    bins = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    labels = [f"{a:.3g}–{b:.3g}" for a, b in bins]
    return Histogram(labels, bins, held[0].tolist(), held[1].tolist(), rows, moved)


def shift(task: Task, classes: Sequence[str], now: Floats, trained: Floats) -> ColumnDrift | None:
    """How far predictions have moved, as a column of that name; None where a side has no row."""
    if not len(now) or not len(trained):
        return None
    sides: list[dict[str, Sequence[Any]]] = []
    for side in (trained, now):
        values = [classes[k] for k in decided(task, side)] if task == "multiclass" else side.tolist()
        sides.append({NAME: values})
    return drift.compare(*sides)[0]


def _range(*sides: Floats) -> tuple[float, float]:
    """Where nearly all values lie: a few far away must not put the others into one bin."""
    low, high = (float(np.quantile(np.concatenate(sides), share)) for share in (0.005, 0.995))
    return (low, high) if high > low else (low - 0.5, low + 0.5)
