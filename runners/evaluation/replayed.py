"""Logged answers beside those of another version: what would change, by how much, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runners.evaluation import disagreement
from runners.evaluation.disagreement import Answers
from runners.evaluation.slices import grouped
from runners.evaluation.truths import truths
from runners.packaging.signature import Signature

EXAMPLES = 20
FEW_VALUES = 50  # an input with no more of them is sliced by, where nobody says by what


@dataclass(frozen=True)
class Pair:
    """One logged row: what it was answered with, and what the other version says of it."""

    id: str
    row: int
    inputs: Mapping[str, Any]
    before: Any
    after: Any
    truth: str | None = None


@dataclass(frozen=True)
class Changed:
    """Rows, or those where `column` has `value`.

    Attributes:
        changed: how many get another answer: another class, or a value that differs by more than 0.1 %.
        better, worse: of those with a truth, how many are right only now, or only before (nearer, for a regression).
        apart: how far both predictions are apart on average, in probability or in the target's unit.
        before, after: the mean prediction; None for several classes.
    """

    column: str
    value: str
    rows: int
    changed: int
    better: int
    worse: int
    apart: float
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Difference:
    """All rows together, by slice (those that change most first), and the rows that change most."""

    whole: Changed
    slices: list[Changed]
    examples: list[Pair]


def difference(signature: Signature, pairs: Sequence[Pair], slices: Sequence[str]) -> Difference:
    """Compare two versions on the same rows. Predictions are what endpoints answer, as JSON has them."""
    task = signature.task or "regression"
    classes = _classes(signature, pairs)
    before, after = (
        np.array([_numbers(getattr(pair, side), classes) for pair in pairs], np.float64).reshape(len(pairs), -1)
        for side in ("before", "after")
    )
    if task != "multiclass":
        before, after = before[:, 0], after[:, 0]
    truth = truths([pair.truth for pair in pairs], signature, classes)
    found = disagreement.answers(task, np.arange(len(pairs)), before, after, truth)
    apart = np.abs(after - before) if task != "multiclass" else np.abs(after - before).max(axis=1)
    means = None if task == "multiclass" else (before, after)

    def told(column: str, value: str, which: Any) -> Changed:
        part = found.part(which)
        flipped = disagreement.changed(task, part)
        gain = _gain(task, part)
        return Changed(
            column, value, len(part), int(flipped.sum()), int((gain > 0).sum()), int((gain < 0).sum()),
            float(apart[which].mean()) if len(part) else 0.0,
            float(means[0][which].mean()) if means is not None and len(part) else None,
            float(means[1][which].mean()) if means is not None and len(part) else None,
        )  # fmt: skip

    rows = []
    for column in slices or usual_slices(signature):
        groups = grouped(np.array([pair.inputs.get(column) for pair in pairs], dtype=object))
        rows += [told(column, name, groups.index == place) for place, name in enumerate(groups.names)]
    rows.sort(key=lambda each: (-each.changed / max(1, each.rows), -each.apart, each.column, each.value))
    largest = np.argsort(-apart, kind="stable")[:EXAMPLES]
    everything = np.ones(len(pairs), bool)
    return Difference(told("", "", everything), rows, [pairs[place] for place in largest.tolist() if apart[place] > 0])


def usual_slices(signature: Signature) -> list[str]:
    """The inputs that have few values."""
    return [
        given.name
        for given in signature.inputs
        if isinstance(given.categories, tuple) and len(given.categories) <= FEW_VALUES
    ]


def _gain(task: Any, part: Answers) -> Any:
    gain = disagreement.better(task, part)
    return np.where(np.isnan(part.truth), 0, gain)


def _classes(signature: Signature, pairs: Sequence[Pair]) -> list[str]:
    """Those of both versions: one that was added or dropped is a class of its own."""
    if signature.task != "multiclass":
        return list(signature.classes)
    told = [each for pair in pairs[:1] for each in (pair.before, pair.after) if isinstance(each, dict)]
    return list(dict.fromkeys([*signature.classes, *(name for each in told for name in each)]))


def _numbers(prediction: Any, classes: Sequence[str]) -> list[float]:
    if isinstance(prediction, dict):
        return [_finite(prediction.get(name, 0.0)) for name in classes]
    return [_finite(prediction)]


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
