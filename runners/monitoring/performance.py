"""How well a model does on what it is asked: measured where the truth has come, else estimated. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation import bootstrap, estimation
from runners.evaluation.scores import checked, higher_is_better, undefined
from runners.evaluation.slices import SliceRow, slice_table
from runners.evaluation.weighted import weighted
from runners.monitoring.answers import Answers
from storage.counted import counted
from storage.project import Task

FEWEST = 30  # rows that a figure needs
STEPS = 12  # in which performance over time is told, at most
ROUNDS = 300


@dataclass(frozen=True)
class Step:
    """The metric of a stretch of time that begins at `at`; None where its rows leave it undefined."""

    at: float
    rows: int
    value: float | None


@dataclass(frozen=True)
class Performance:
    """A model's metric on what it was asked.

    Attributes:
        estimated: whether this is an estimate from the model's confidence, and no truth was looked at.
        reference: the same metric when the model was evaluated.
        low, high: the 95 % interval (bootstrap); None of an estimate.
        slices: by value of a column; `production` of each is the metric there when the model was evaluated.
    """

    metric: str
    higher_is_better: bool
    rows: int
    value: float | None
    reference: float | None
    estimated: bool
    method: str
    low: float | None = None
    high: float | None = None
    over_time: list[Step] = field(default_factory=list)
    slices: list[SliceRow] = field(default_factory=list)

    @property
    def loss(self) -> float | None:
        """How much worse than when it was evaluated, in the metric's own unit; negative where it is better."""
        if self.value is None or self.reference is None:
            return None
        return (self.reference - self.value) * (1 if self.higher_is_better else -1)

    @property
    def sentence(self) -> str:
        """In one line; an estimate says that it is one."""
        if self.value is None:
            return f"{self.metric} is undefined on {counted(self.rows, 'row')}"
        how = f"estimated without truth, {estimation.NAME}" if self.estimated else "measured"
        interval = f" ({self.low:.3f} to {self.high:.3f})" if self.low is not None and self.high is not None else ""
        before = f", {self.reference:.3f} when it was evaluated" if self.reference is not None else ""
        return f"{self.metric} {self.value:.3f}{interval} on {counted(self.rows, 'row')}, {how}{before}"


def measured(
    answers: Answers,
    task: Task,
    metric: str,
    *,
    reference: float | None,
    slices: Sequence[SliceRow] = (),
    step_s: float = 0.0,
) -> Performance | None:
    """What the truth says; None where too few rows have one.

    Args:
        reference: the metric when the model was evaluated, and `slices` its slices then.
        step_s: the length of a step in time.
    """
    found = answers.where(np.isfinite(answers.truth))
    if len(found) < FEWEST:
        return None
    value = _value(metric, task, found.truth, found.prediction)
    low, high = None, None
    if value is not None:
        low, high = bootstrap.interval(metric, task, found.truth, found.prediction, rounds=ROUNDS)
    steps = [
        Step(at, len(part), _value(metric, task, part.truth, part.prediction)) for at, part in _steps(found, step_s)
    ]
    then = {(row.column, row.value): row.candidate for row in slices}
    now = slice_table(task, metric, found.truth, found.prediction, found.columns) if found.columns else []
    beside = [_beside(row, then.get((row.column, row.value)), higher_is_better(metric)) for row in now]
    return Performance(
        metric, higher_is_better(metric), len(found), value, reference, False, "measured", low, high, steps, beside
    )


def _beside(row: SliceRow, then: float | None, higher: bool) -> SliceRow:
    if row.candidate is None or then is None:
        return replace(row, production=then)
    return replace(row, production=then, difference=(row.candidate - then) * (1 if higher else -1))


def estimated(
    answers: Answers,
    task: Task,
    metric: str,
    evaluated: tuple[NDArray[Any], NDArray[Any]],
    *,
    step_s: float = 0.0,
) -> Performance | None:
    """What the model's confidence says; None where it says nothing (a regression, too few rows).

    `evaluated`: targets and predictions of the rows that the model was evaluated on. Its reference is the estimate on
    these rows: an estimate is compared with an estimate.
    """
    truth, said = evaluated
    if not estimation.estimable(metric, task) or len(answers) < FEWEST or len(truth) < estimation.FEWEST:
        return None
    calibrate = estimation.Calibration(task, truth, said)

    def value(prediction: NDArray[Any]) -> float | None:
        return estimation.expected(metric, task, prediction, calibrate(prediction))

    steps = [Step(at, len(part), value(part.prediction)) for at, part in _steps(answers, step_s)]
    return Performance(
        metric,
        higher_is_better(metric),
        len(answers),
        value(answers.prediction),
        value(said),
        True,
        estimation.METHOD,
        over_time=steps,
    )


def _steps(answers: Answers, step_s: float) -> list[tuple[float, Answers]]:
    """The rows by time, each step with enough of them."""
    if step_s <= 0:
        return []
    number = np.floor(answers.at / step_s).astype(np.int64)
    parts: Sequence[tuple[int, Answers]] = [(int(n), answers.where(number == n)) for n in np.unique(number)]
    return [(n * step_s, part) for n, part in parts if len(part) >= FEWEST]


def _value(metric: str, task: Task, target: NDArray[Any], said: NDArray[Any]) -> float | None:
    truth, prediction = checked(task, target, said)
    if undefined(metric, task, truth, prediction):
        return None
    return float(weighted(metric, task, truth, prediction)(np.ones((1, len(truth))))[0])
