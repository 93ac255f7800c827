"""Where the series of two trainings part. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.metrics import Series

SMALLEST = 1e-7  # a difference below this is none


@dataclass(frozen=True)
class Apart:
    """Where two trainings part: the name of what differs, at which step, and both values."""

    name: str
    step: int | None
    first: float
    second: float

    def __str__(self) -> str:
        at = "" if self.step is None else f" at step {self.step}"
        return f"{self.name}{at}: {self.first:.6g} and {self.second:.6g}"


def apart(first: Mapping[str, Series], second: Mapping[str, Series], tolerance: float) -> list[Apart]:
    """The series of two trainings that differ, each with its first step that does; the earliest of them first.

    Values agree when they are both not finite, or differ by at most `tolerance` of the larger.
    """
    found: list[tuple[float, Apart]] = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one is None or other is None or not np.array_equal(one.step, other.step):
            counts = [0 if series is None else len(series) for series in (one, other)]
            found.append((-1.0, Apart(f"number of values of {name}", None, *counts)))
            continue
        places = np.flatnonzero(~agree(one.value, other.value, tolerance))
        if len(places):
            place = places[0]
            step = int(one.step[place])
            found.append((step, Apart(name, step, float(one.value[place]), float(other.value[place]))))
    return [difference for _, difference in sorted(found, key=lambda item: item[0])]


def agree(first: NDArray[Any], second: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Which values of two arrays of one shape are the same up to `tolerance` of the larger one."""
    same = np.isclose(first, second, rtol=0, atol=0, equal_nan=True)
    with np.errstate(invalid="ignore"):
        near = np.abs(first - second) <= tolerance * np.maximum(np.abs(first), np.abs(second)) + SMALLEST
    return np.asarray(same | near)
