"""How far the values of columns have moved between two samples of rows. Pure functions over what was drawn.

Numbers are compared by the population stability index and the Jensen–Shannon divergence in the deciles of the older
sample, and by the two-sample Kolmogorov–Smirnov test; other values by their shares, and by the chi-squared test. Of
many columns some differ by chance: p-values are corrected by Holm's method, and a column has shifted only if the
difference is both beyond chance and large.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.distributions import Shares, jensen_shannon, psi

LEAST_ROWS = 50  # fewer say nothing about a distribution
CHANCE = 0.05  # how often, at most, any column of two samples of the same is said to have shifted
DECILES = 10
VALUES = 50  # the most frequent ones; the others are one
RARE = 5.0  # expected counts below this are put together in the chi-squared test


@dataclass(frozen=True)
class ColumnDrift:
    """How one column moved. `distance` is the Kolmogorov–Smirnov statistic, None for values that are no numbers.

    `p` is corrected for the number of columns; `nulls` and `means` are before and after.
    """

    column: str
    psi: float
    js: float
    distance: float | None
    p: float
    nulls: tuple[float, float]
    means: tuple[float, float] | None

    def shifted(self, least: float) -> bool:
        """Whether it moved beyond chance, and by at least this PSI."""
        return self.p < CHANCE and self.psi >= least

    @property
    def moved(self) -> str:
        """What is other than before, in a few words; empty where there is nothing but the shares of values."""
        told = [f"mean {self.means[0]:.4g} → {self.means[1]:.4g}"] if self.means is not None else []
        if abs(self.nulls[1] - self.nulls[0]) >= 0.01:
            told.append(f"nulls {self.nulls[0]:.1%} → {self.nulls[1]:.1%}")
        return ", ".join(told)

    @property
    def sentence(self) -> str:
        return f"{self.column} shifted ({', '.join(part for part in (f'PSI {self.psi:.2f}', self.moved) if part)})"


def compare(before: Mapping[str, Sequence[Any]], after: Mapping[str, Sequence[Any]]) -> list[ColumnDrift]:
    """Compare the columns that both samples have, the one that moved most first. None stands for a missing value."""
    found = []
    for column, old in before.items():
        new = after.get(column)
        if new is None or not len(old) or not len(new):
            continue
        numbers = _numbers(old), _numbers(new)
        if numbers[0] is not None and numbers[1] is not None:
            found.append(_of_numbers(column, numbers[0], numbers[1]))
        else:
            found.append(_of_values(column, old, new))
    ps = holm([drift.p for drift in found])
    corrected = [ColumnDrift(**{**vars(drift), "p": p}) for drift, p in zip(found, ps, strict=True)]
    return sorted(corrected, key=lambda drift: (drift.p >= CHANCE, -drift.psi, drift.column))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number: the chance that any of them is below a bound, were nothing different."""
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = highest
    return corrected


def kolmogorov_smirnov(old: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[float, float]:
    """The two-sample statistic (0 to 1) and its asymptotic p-value."""
    from scipy.special import kolmogorov

    old, new = np.sort(old), np.sort(new)
    places = np.concatenate([old, new])
    below = np.searchsorted(old, places, "right") / len(old), np.searchsorted(new, places, "right") / len(new)
    distance = float(np.abs(below[0] - below[1]).max())
    return distance, float(kolmogorov(distance * np.sqrt(len(old) * len(new) / (len(old) + len(new)))))


def _numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """As doubles, NaN where one is missing; None where they are no numbers."""
    if any(isinstance(value, (str, bool)) for value in values):
        return None
    try:
        return np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError):
        return None


def _of_numbers(column: str, old: NDArray[np.float64], new: NDArray[np.float64]) -> ColumnDrift:
    held = old[np.isfinite(old)], new[np.isfinite(new)]
    nulls = 1 - len(held[0]) / len(old), 1 - len(held[1]) / len(new)
    if not len(held[0]) or not len(held[1]):
        bins: Shares = [(nulls[0], nulls[1]), (1 - nulls[0], 1 - nulls[1])]
        return ColumnDrift(
            column, psi(bins), jensen_shannon(bins), None, _chi_squared(bins, len(old), len(new)), nulls, None
        )
    cuts = np.unique(np.quantile(held[0], np.arange(1, DECILES) / DECILES))
    counts = [np.bincount(np.searchsorted(cuts, each, "left"), minlength=len(cuts) + 1) for each in held]
    bins = [(nulls[0], nulls[1])]
    bins += [(a / len(old), b / len(new)) for a, b in zip(counts[0].tolist(), counts[1].tolist(), strict=True)]
    distance, p = kolmogorov_smirnov(*held)
    of_nulls = _chi_squared([(nulls[0], nulls[1]), (1 - nulls[0], 1 - nulls[1])], len(old), len(new))
    p = min(1.0, 2 * min(p, of_nulls))
    means = float(held[0].mean()), float(held[1].mean())
    return ColumnDrift(column, psi(bins), jensen_shannon(bins), distance, p, nulls, means)


def _of_values(column: str, old: Sequence[Any], new: Sequence[Any]) -> ColumnDrift:
    counts = Counter(map(str, (v for v in old if v is not None))), Counter(map(str, (v for v in new if v is not None)))
    nulls = 1 - counts[0].total() / len(old), 1 - counts[1].total() / len(new)
    # Ties by name: in the order of the samples, values of the older one would come first, and pass for a shift.
    top = [value for value, _ in sorted((counts[0] + counts[1]).items(), key=lambda each: (-each[1], each[0]))[:VALUES]]
    bins: Shares = [(nulls[0], nulls[1])]
    bins += [(counts[0][value] / len(old), counts[1][value] / len(new)) for value in top]
    rest = tuple(max(0.0, 1 - sum(pair[side] for pair in bins)) for side in (0, 1))
    bins.append((rest[0], rest[1]))
    p = _chi_squared(bins, len(old), len(new))
    return ColumnDrift(column, psi(bins), jensen_shannon(bins), None, p, nulls, None)


def _chi_squared(bins: Shares, old: int, new: int) -> float:
    """The p-value of both samples coming from one distribution; rare values are put together."""
    from scipy.special import chdtrc

    counts = [(a * old, b * new) for a, b in bins]
    share = min(old, new) / (old + new)
    common = [pair for pair in counts if sum(pair) * share >= RARE]
    rare = [pair for pair in counts if sum(pair) * share < RARE]
    if rare:
        common.append((sum(a for a, _ in rare), sum(b for _, b in rare)))
    common = [pair for pair in common if sum(pair) > 0]
    if len(common) < 2:
        return 1.0
    total = old + new
    squared = 0.0
    for pair in common:
        for count, size in zip(pair, (old, new), strict=True):
            expected = sum(pair) * size / total
            squared += (count - expected) ** 2 / expected
    return float(chdtrc(len(common) - 1, squared))
