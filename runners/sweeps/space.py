"""The space of a sweep in optuna's words, and as a grid of points."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from storage.errors import UsageError
from storage.sweep_section import Dimension

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MOST_POINTS = 100_000
ON_A_STEP = 1e-8  # how far from one, in steps, a value may be that stands on it


def distributions(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """What optuna draws from. `params` are the project's own: an integer there is drawn as one."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, each in space.items():
        if each.values is not None:
            found[name] = CategoricalDistribution(choices(each))
        elif isinstance(params[name], int):
            low, high = _bounds(each)
            found[name] = IntDistribution(int(low), int(high), log=each.log, step=int(each.step or 1))
        else:
            low, high = _bounds(each)
            found[name] = FloatDistribution(low, high, log=each.log, step=each.step)
    return found


def choices(dimension: Dimension) -> list[Any]:
    """The values of a list as optuna can keep them: a list among them is JSON text."""
    values = dimension.values or []
    return [json.dumps(v) for v in values] if any(isinstance(v, list) for v in values) else list(values)


def chosen(space: Mapping[str, Dimension], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """The params that a draw of optuna's stands for."""
    found = {}
    for name, value in drawn.items():
        values = space[name].values
        found[name] = values[choices(space[name]).index(value)] if values is not None else value
    return found


def drawn(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    """The draw of optuna's that stands for these params."""
    found = {}
    for name, value in params.items():
        values = space[name].values
        found[name] = choices(space[name])[values.index(value)] if values is not None else value
    return found


def usual_point(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The project's own params, as far as they are searched; None when one of them lies outside of the space."""
    point = {name: params[name] for name in space}
    return point if all(_holds(space[name], value) for name, value in point.items()) else None


def grid(space: Mapping[str, Dimension], params: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Every point of the space, in an order that depends on the seed alone.

    Raises:
        UsageError: for a range without steps, or far too many points.
    """
    size(space, params)
    names = sorted(space)
    points = list(itertools.product(*(_steps(name, space[name], params[name]) for name in names)))
    random.Random(seed).shuffle(points)
    return [dict(zip(names, point, strict=True)) for point in points]


def size(space: Mapping[str, Dimension], params: Mapping[str, Any]) -> int:
    """How many points the grid has. Raises UsageError as `grid` does."""
    points = math.prod(_count(name, each, params[name]) for name, each in space.items())
    if points > MOST_POINTS:
        raise UsageError(f"the grid has {points:,} points", expected=f"{MOST_POINTS:,} at most, or another sampler")
    return points


def _bounds(dimension: Dimension) -> tuple[float, float]:
    assert dimension.low is not None and dimension.high is not None
    return dimension.low, dimension.high


def _holds(dimension: Dimension, value: Any) -> bool:
    if dimension.values is not None:
        return value in dimension.values
    low, high = _bounds(dimension)
    steps = (value - low) / dimension.step if dimension.step else 0.0
    return bool(low <= value <= high and abs(steps - round(steps)) < ON_A_STEP)


def _count(name: str, dimension: Dimension, example: Any) -> int:
    if dimension.values is not None:
        return len(dimension.values)
    step = dimension.step or (1 if isinstance(example, int) and not dimension.log else None)
    if step is None:
        raise UsageError(
            f"{name} has no steps, so a grid has no end",
            place=f"[sweep.space] {name}",
            expected="a list of values, or a step",
        )
    low, high = _bounds(dimension)
    return math.floor((high - low) / step + ON_A_STEP) + 1


def _steps(name: str, dimension: Dimension, example: Any) -> list[Any]:
    if dimension.values is not None:
        return dimension.values
    low, _ = _bounds(dimension)
    kind = int if isinstance(example, int) else float
    return [kind(low + (dimension.step or 1) * place) for place in range(_count(name, dimension, example))]
