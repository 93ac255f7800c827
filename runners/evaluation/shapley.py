"""Which column moved a prediction, and by how much: Shapley values, by sampling, of any model.

Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling" (2009), with a row of the
background in the place of what is not known yet, as Štrumbelj and Kononenko, "Explaining prediction models and
individual predictions with feature contributions" (2014) have it. Each order of the columns is walked there and back,
which takes out much of the chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Feeds = dict[str, npt.NDArray[Any]]
MOST_CELLS = 4_000_000
LEAST_ROWS = 2  # below that nothing can be said of the error


@dataclass(frozen=True)
class Contribution:
    """What a column's value adds to a prediction, against the rows of the background; in the prediction's unit."""

    column: str
    value: Any
    contribution: float
    standard_error: float


@dataclass(frozen=True)
class Explanation:
    """All contributions together are `prediction - base`.

    Attributes:
        base: the mean prediction over the background.
        of: the output that is explained, of several classes the likeliest one.
        rows: of the background.
        columns: the largest contribution first.
    """

    base: float
    prediction: float
    of: str
    rows: int
    columns: list[Contribution]


def rows_for(columns: int, wanted: int) -> int:
    """How many rows of background a model of so many columns can be compared with."""
    return max(LEAST_ROWS, min(wanted, MOST_CELLS // (2 * columns * (columns + 1))))


class Walks:
    """From rows of the background to the one that is explained, a column at a time: `feeds` has all `n` rows."""

    def __init__(self, row: Feeds, background: Feeds, *, seed: int = 0) -> None:
        """`row` holds one row, `background` at least `LEAST_ROWS`, of the same inputs."""
        names = list(row)
        self._rows, columns = len(background[names[0]]), len(names)
        order = np.random.default_rng(seed).random((self._rows, columns)).argsort(axis=1)
        self._turn = np.concatenate([order, columns - 1 - order])  # when each column changes, [walk, column]
        changed = self._turn[:, None, :] < np.arange(columns + 1)[None, :, None]  # [walk, step, column]
        self.n = changed.shape[0] * changed.shape[1]
        self.feeds: Feeds = {}
        for place, name in enumerate(names):
            before = np.repeat(np.concatenate([background[name]] * 2), columns + 1, axis=0)
            mask = changed[:, :, place].reshape(self.n, *[1] * (before.ndim - 1))
            self.feeds[name] = np.where(mask, row[name], before)

    def explained(
        self, outputs: npt.NDArray[Any], record: Mapping[str, Any], output: str, classes: Sequence[str]
    ) -> Explanation:
        """What the model's first output for all rows, [n] or [n, classes], says of the record."""
        if outputs.ndim > 1:
            likeliest = int(outputs[-1].argmax())
            output, outputs = classes[likeliest], outputs[:, likeliest]
        values = outputs.astype(np.float64).reshape(len(self._turn), -1)
        steps = np.take_along_axis(np.diff(values, axis=1), self._turn, axis=1)
        pairs = (steps[: self._rows] + steps[self._rows :]) / 2  # there and back
        means, errors = pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / np.sqrt(self._rows)
        found = [
            Contribution(name, record.get(name), float(mean), float(error))
            for name, mean, error in zip(self.feeds, means, errors, strict=True)
        ]
        found.sort(key=lambda each: -abs(each.contribution))
        return Explanation(float(values[:, 0].mean()), float(values[0, -1]), output, self._rows, found)
