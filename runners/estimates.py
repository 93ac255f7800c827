"""How long a run will take, how much is left of it, and when a waiting one will start. Pure, as `runners.queue` is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runners.scheduling.simulation import starts
from runners.scheduling.spreads import DECILE, around, joined, rest
from runners.scheduling.terms import Spread

__all__ = ["PastRun", "PlannedRun", "Spread", "duration", "remaining", "starts"]

LENGTHS = ("epochs", "max_epochs", "num_epochs", "max_steps", "num_steps", "steps", "iterations", "max_iters", "rounds")
SIZES = ("batch_size", "micro_batch", "accumulation", "gpus")
IDLE = (
    "lr",
    "learning_rate",
    "weight_decay",
    "momentum",
    "dropout",
    "seed",
    "warmup",
    "beta1",
    "beta2",
    "eps",
    "gamma",
)
BADLY = 0.5  # what a run counts for that ended otherwise: it held its devices too
GUESS = 0.5  # width of the logarithm where a single run is all that is known
UNLIKE = 5.0  # the greatest distance: a run of the same project is never worth nothing
MOST_SCALED = math.log(1000)
EARLIEST = 0.01  # progress before which it says nothing: the start-up is still most of it
GUESS_COUNTS = 3.0  # as many runs as this guess is worth


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What is known of a run before it starts, as far as its length depends on it."""

    project: str
    kind: str
    gpus: int
    params: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class PastRun(PlannedRun):
    """A run that has ended: the seconds that it held its devices, and its status."""

    duration_s: float
    status: str


def duration(past: Sequence[PastRun], wanted: PlannedRun) -> Spread | None:
    """How long the wanted run will take, from runs of the same project and kind; None when there were none.

    Each counts by how alike its params are; what says how long a training is (epochs, steps) also scales its time.
    Quantiles, so that one run that hung moves nothing. The fewer and the less alike, the wider the range.
    """
    alike: list[tuple[float, float]] = []
    for run in past:
        if run.project == wanted.project and run.kind == wanted.kind and run.duration_s > 0:
            scale, distance = _compared(run, wanted)
            weight = math.exp(-distance) * (1.0 if run.status == "done" else BADLY)
            alike.append((math.log(run.duration_s) + scale, weight))
    if not alike:
        return None
    alike.sort()
    counts = sum(weight for _, weight in alike)
    low, likely, high = (_quantile(alike, counts, part) for part in (0.1, 0.5, 0.9))
    unsure = 1 + 1 / max(counts, 0.1)  # the median itself is only known from so many runs
    below, above = (
        math.sqrt((counts * (side / DECILE) ** 2 + GUESS_COUNTS * GUESS**2) / (counts + GUESS_COUNTS) * unsure)
        for side in (likely - low, high - likely)
    )
    return around(math.exp(likely), below, above)


def remaining(spread: Spread | None, elapsed_s: float, progress: float | None) -> Spread | None:
    """How long a run still takes that has run for `elapsed_s`; `progress` from 0 to 1 where it tells. None: unknown.

    What its length was expected to be and what its progress says count by how sure each is: progress the more, the
    further it is.
    """
    by_length = None if spread is None else rest(spread, elapsed_s)
    if progress is None or not EARLIEST <= progress <= 1 or elapsed_s <= 0:
        return by_length
    left = max(1 - progress, 0.02)
    width = 0.1 + 0.05 / progress
    by_progress = around(elapsed_s * left / progress, width, width)
    return by_progress if by_length is None else joined(by_progress, by_length)


def _compared(run: PlannedRun, wanted: PlannedRun) -> tuple[float, float]:
    """By how much the run's time must be scaled (a logarithm), and how unlike the two are: 0 for the same."""
    scale = 0.0
    distance = abs(math.log(max(wanted.gpus, 1) / max(run.gpus, 1)))
    for name in {*run.params, *wanted.params}:
        one, other = run.params.get(name), wanted.params.get(name)
        if one == other:
            continue
        word = name.rsplit(".", 1)[-1].lower()
        ratio = _ratio(one, other)
        if word in IDLE:
            distance += 0.02
        elif ratio is None:
            distance += 0.7
        elif word in LENGTHS:
            scale = ratio if abs(ratio) > abs(scale) else scale
            distance += abs(ratio)
        else:
            distance += abs(ratio) if word in SIZES else min(0.25 * abs(ratio), 1.0)
    return max(-MOST_SCALED, min(scale, MOST_SCALED)), min(distance, UNLIKE)


def _ratio(one: float | str | None, other: float | str | None) -> float | None:
    """The logarithm of other ÷ one, None where they are no positive numbers."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)) and one > 0 and other > 0:
        return math.log(other) - math.log(one)
    return None


def _quantile(values: Sequence[tuple[float, float]], total: float, part: float) -> float:
    """A weighted quantile of (value, weight), sorted: each value sits in the middle of its weight."""
    before, last = 0.0, values[0][0]
    place = last_place = 0.0
    for value, weight in values:
        place = (before + weight / 2) / total
        if place >= part:
            inside = (part - last_place) / (place - last_place) if before else 1.0
            return last + inside * (value - last)
        before, last, last_place = before + weight, value, place
    return last
