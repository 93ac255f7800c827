"""Where two models answer the same rows differently: which rows, by how much, and whether for the better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.decisions import decided
from storage.project import Task

Floats = NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """What two models say of rows, one item a row.

    Attributes:
        row: its place among all rows.
        before, after: the class index that each model decides for, or its value for a regression.
        sure_before, sure_after: the probability that each gives its own answer; NaN for a regression.
        change: how much likelier the second model thinks its answer than the first does, -1 to 1; for a regression the
            second value less the first.
        truth: as `before`; NaN where nobody knows it.
    """

    row: NDArray[np.int64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    sure_before: NDArray[np.float32]
    sure_after: NDArray[np.float32]
    change: NDArray[np.float64]
    truth: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    def part(self, which: Any) -> Answers:
        """Some of the rows, by mask, places or slice."""
        return Answers(*(getattr(self, each.name)[which] for each in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Answers]) -> Answers:
        return Answers(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Answers)))


@dataclass(frozen=True)
class Flipped:
    """How many of the rows get another answer, and how many of these answers are right now, or wrong now."""

    rows: int
    flips: int
    better: int
    worse: int


def answers(task: Task, row: NDArray[np.int64], before: Floats, after: Floats, truth: Floats) -> Answers:
    """Put two models' predictions beside each other.

    Args:
        before, after: [n] probability of the positive class, [n, k] probabilities of the same k classes, or [n] values.
        truth: [n] class index or value; NaN where unknown.
    """
    one, other, known = (np.asarray(each, np.float64) for each in (before, after, truth))
    if task == "regression":
        unsure = np.full(len(one), np.nan, np.float32)
        return Answers(row, one, other, unsure, unsure, other - one, known)
    first, second = decided(task, one), decided(task, other)
    if task == "binary":
        one, other = (np.stack([1 - each, each], axis=1) for each in (one, other))
    places = np.arange(len(one))
    return Answers(
        row,
        first.astype(np.float64),
        second.astype(np.float64),
        one[places, first].astype(np.float32),
        other[places, second].astype(np.float32),
        other[places, second] - one[places, second],
        known,
    )


def changed(task: Task, found: Answers) -> NDArray[np.bool_]:
    """Which rows get another answer: another class, or for a regression another value beyond rounding."""
    if task == "regression":
        return np.asarray(~np.isclose(found.before, found.after, rtol=1e-3))
    return np.asarray(found.before != found.after)


def better(task: Task, found: Answers) -> NDArray[np.int8]:
    """1 where the second model is right and the first was not (nearer, for a regression), -1 the other way, else 0."""
    if task == "regression":
        gain = np.abs(found.before - found.truth) - np.abs(found.after - found.truth)
        return np.asarray(np.nan_to_num(np.sign(gain)), np.int8)
    right, was_right = ((each == found.truth).astype(np.int8) for each in (found.after, found.before))
    return np.asarray(right - was_right)


def aligned(prediction: Floats, its: Sequence[str], all_classes: Sequence[str]) -> Floats:
    """Probabilities [n, k] of a model's own classes as [n, all]: what it does not know is never its answer."""
    if prediction.ndim == 1 or list(its) == list(all_classes):
        return prediction
    done = np.zeros((len(prediction), len(all_classes)), prediction.dtype)
    done[:, [list(all_classes).index(name) for name in its]] = prediction
    return done


def flipped(task: Task, before: Floats, after: Floats, truth: Floats) -> Flipped:
    """Count the rows that get another answer; as `answers`."""
    found = answers(task, np.arange(len(truth)), before, after, truth)
    flips = changed(task, found)
    gain = better(task, found) * flips
    return Flipped(len(found), int(flips.sum()), int((gain > 0).sum()), int((gain < 0).sum()))
