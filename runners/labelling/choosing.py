"""Which predictions are worth a person's look: those the model was unsure of, and those unlike what it learnt from.

Uncertainty is least margin (Lewis & Gale 1994; Scheffer et al. 2001). How strange a row is, is told by its one most
telling column: how much more frequent such values are among what is asked now than in training. Pure functions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 10
LEAST_RATIO = 2.0  # such values must be so much more frequent now
LEAST_SHARE = 0.002  # of what is asked: what is rarer may be chance
MOST_OF_ONE = 4  # the strange values of one column make up at most one in so many of what is asked


@dataclass(frozen=True)
class Asked:
    """A prediction of the log as it is chosen from: `key` is its request id and row."""

    key: tuple[str, int]
    values: Mapping[str, Any]
    output: Any


@dataclass(frozen=True)
class Chosen:
    """A prediction that is worth a look, and why."""

    asked: Asked
    why: str


def doubt(output: Any, classes: Sequence[str]) -> tuple[float, str] | None:
    """How unsure a model was, 0 to 1 (as likely one as the other), and in words; None where an output cannot tell."""
    if not isinstance(output, Mapping):
        return None
    if isinstance(output.get("probability"), (int, float)) and len(classes) == 2:
        shares = [1 - float(output["probability"]), float(output["probability"])]
    elif isinstance(of_class := output.get("probabilities"), Mapping) and len(classes) > 1:
        if not all(isinstance(of_class.get(name), (int, float)) for name in classes):
            return None
        shares = [float(of_class[name]) for name in classes]
    else:
        return None
    first, second = sorted(range(len(shares)), key=lambda place: -shares[place])[:2]
    words = f"{classes[first]} {shares[first]:.0%}, {classes[second]} {shares[second]:.0%}"
    return 1 - (shares[first] - shares[second]), f"unsure: {words}"


class Strangeness:
    """What rows are asked now against what the model was trained on, column by column."""

    def __init__(self, trained: Mapping[str, Sequence[Any]], asked: Sequence[Asked]) -> None:
        self._columns = {
            name: _Column(name, old, [each.values.get(name) for each in asked]) for name, old in trained.items() if old
        }

    def of(self, asked: Asked) -> tuple[float, str, str] | None:
        """By what factor its most telling value is more frequent now, of which column, and in words; None for none."""
        found = [column.telling(asked.values.get(name)) for name, column in self._columns.items()]
        return max((each for each in found if each is not None), default=None)


class _Column:
    """The shares of a column's values: of numbers by decile and beyond both ends, of others one by one."""

    def __init__(self, name: str, old: Sequence[Any], new: Sequence[Any]) -> None:
        self.name = name
        self.cuts = _cuts(old)
        self.before = Counter(map(self._bin, old))
        self.now = Counter(map(self._bin, new))
        self.sizes = len(old), max(1, len(new))

    def telling(self, value: Any) -> tuple[float, str, str] | None:
        place = self._bin(value)
        now, before = self.now[place] / self.sizes[1], self.before[place] / self.sizes[0]
        ratio = now / max(before, 1 / self.sizes[0])
        if now < LEAST_SHARE or ratio < LEAST_RATIO:
            return None
        of_training = f"{before:.1%}" if before else "none"
        given = f"{value:.6g}" if isinstance(value, float) else "missing" if value is None else str(value)
        why = f"unlike training: {self.name} {given}, {now:.1%} of what is asked now, {of_training} of that"
        return ratio, self.name, why

    def _bin(self, value: Any) -> Any:
        if value is None or self.cuts is None:
            return None if value is None else str(value)
        try:
            return bisect_left(self.cuts, float(value))
        except (TypeError, ValueError):
            return str(value)


def _cuts(values: Sequence[Any]) -> list[float] | None:
    """The least value, the deciles and the greatest of numbers; None for what are none."""
    known = [value for value in values if value is not None]
    if not known or any(isinstance(value, (str, bool)) for value in known):
        return None
    numbers = np.array([float(value) for value in known])
    inner = np.quantile(numbers, np.arange(1, BINS) / BINS)
    lowest = np.nextafter(numbers.min(), -np.inf)  # a value equal to a cut lies below it
    return [float(cut) for cut in np.unique([lowest, *inner, numbers.max()])]


def choose(
    asked: Sequence[Asked], trained: Mapping[str, Sequence[Any]], classes: Sequence[str], count: int
) -> list[Chosen]:
    """The `count` rows most worth a look, by turns an unsure and a strange one; of rows that are alike the first.

    `trained` has the values of each column in training. Of one strange kind of value come at most a quarter.
    """
    distinct = list({repr(sorted(each.values.items())): each for each in reversed(asked)}.values())[::-1]
    doubts = [(found, each) for each in distinct if (found := doubt(each.output, classes)) is not None]
    unsure = [Chosen(each, why) for (_, why), each in sorted(doubts, key=lambda pair: -pair[0][0])]
    strangeness = Strangeness(trained, asked)
    oddities = [(odd, each) for each in distinct if (odd := strangeness.of(each)) is not None]
    strange, taken = [], Counter[str]()
    for (_, column, why), each in sorted(oddities, key=lambda pair: -pair[0][0]):
        taken[column] += 1
        if taken[column] <= max(1, count // MOST_OF_ONE):
            strange.append(Chosen(each, why))
    chosen: dict[tuple[str, int], Chosen] = {}
    sources = [iter(unsure), iter(strange)]
    while sources and len(chosen) < count:
        for source in list(sources):
            following = next((each for each in source if each.asked.key not in chosen), None)
            if following is None:
                sources.remove(source)
            elif len(chosen) < count:
                chosen[following.asked.key] = following
    return list(chosen.values())
