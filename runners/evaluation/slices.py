"""A metric on parts of the rows: where the model is weak, and where it lost ground against production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.scores import checked, higher_is_better, undefined
from runners.evaluation.weighted import weighted
from storage.project import Task

TOP = 50
BANDS = 5
OTHER = "(other)"
MISSING = "(missing)"
EMPTY = "(empty)"


@dataclass(frozen=True)
class SliceRow:
    """The metric on the rows where `column` has `value`.

    Attributes:
        rows: how many rows that is.
        candidate: the metric there, None where it is undefined (`note` says why).
        production: the same of production, None without one or where it is undefined.
        difference: how much better the candidate is; positive is better, for errors and losses too.
    """

    column: str
    value: str
    rows: int
    candidate: float | None
    production: float | None = None
    difference: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Groups:
    """Each row's group [n] and the groups' names, in the order to show them; no group is empty."""

    index: NDArray[np.int64]
    names: list[str]


def slice_table(
    task: Task,
    metric: str,
    target: NDArray[Any],
    prediction: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    production: NDArray[Any] | None = None,
    top: int = TOP,
) -> list[SliceRow]:
    """Return the metric for each value of each column, columns as given, the most frequent values first.

    The `top` most frequent values of a column stand for themselves, the rest is "(other)", null or NaN is "(missing)".
    A numeric column with more than 50 values is cut into five bands of about equal counts instead, in rising order.

    Args:
        target, prediction, production: as for `scores.score`.
        columns: name → [n] raw values (numbers, texts, booleans, times; None, NaN or masked where missing).

    Raises:
        UsageError: when the metric is not one of `scores.METRICS`.
        RunFailed: as `scores.score`.
    """
    sign = 1 if higher_is_better(metric) else -1
    truth, guess = checked(task, target, prediction)
    theirs = checked(task, target, production)[1] if production is not None else None
    table = []
    for column, values in columns.items():
        groups = grouped(values, top)
        for number, name in enumerate(groups.names):
            rows = np.flatnonzero(groups.index == number)
            found, why = _value(metric, task, truth[rows], guess[rows])
            before, why_before = _value(metric, task, truth[rows], theirs[rows]) if theirs is not None else (None, "")
            note = why or (f"production: {why_before}" if why_before else "")
            gain = sign * (found - before) if found is not None and before is not None else None
            table.append(SliceRow(column, name, len(rows), found, before, gain, note))
    return table


def _value(
    metric: str, task: Task, target: NDArray[np.float64], prediction: NDArray[np.float64]
) -> tuple[float | None, str]:
    reason = undefined(metric, task, target, prediction)
    if reason:
        return None, reason
    return float(weighted(metric, task, target, prediction)(np.ones((1, len(target))))[0]), ""


def grouped(values: NDArray[Any], top: int = TOP) -> Groups:
    """Put the rows of a column into groups, as `slice_table` says."""
    raw = np.ma.getdata(values)
    missing = np.ma.getmaskarray(values) | _null(raw)
    if raw.dtype.kind in "iuf":
        distinct, index = np.unique(raw[~missing], return_inverse=True)
        if len(distinct) > TOP:
            return _banded(raw[~missing].astype(np.float64), missing)
        names = [f"{value:.10g}" for value in distinct.tolist()]
    else:
        places: dict[str, int] = {}
        index = np.array([places.setdefault(text, len(places)) for text in _texts(raw[~missing])], dtype=np.int64)
        names = list(places)
    return _most_frequent(*_with_missing(index, names, missing), top)


def _null(raw: NDArray[Any]) -> NDArray[np.bool_]:
    if raw.dtype.kind == "O":
        return np.array([value is None or value != value for value in raw], dtype=bool)
    if raw.dtype.kind in "fM":
        return np.asarray(np.isnat(raw) if raw.dtype.kind == "M" else np.isnan(raw))
    return np.zeros(len(raw), dtype=bool)


def _texts(present: NDArray[Any]) -> list[str]:
    if present.dtype.kind == "O":
        return [str(value) or EMPTY for value in present]
    if present.dtype.kind == "b":
        return ["true" if value else "false" for value in present]
    return [text or EMPTY for text in present.astype(str).tolist()]


def _with_missing(
    index: NDArray[np.int64], names: list[str], missing: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], list[str]]:
    """Spread the index of the present rows over all rows; the missing ones become a last group."""
    everywhere = np.full(len(missing), len(names), dtype=np.int64)
    everywhere[~missing] = index
    return everywhere, [*names, MISSING] if missing.any() else names


def _most_frequent(index: NDArray[np.int64], names: list[str], top: int) -> Groups:
    counts = np.bincount(index, minlength=len(names))
    order = sorted(range(len(names)), key=lambda group: (-counts[group], names[group]))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.minimum(np.arange(len(names)), top)
    shown = [names[group] for group in order[:top]]
    return Groups(place[index], [*shown, OTHER] if len(names) > top else shown)


def _banded(present: NDArray[np.float64], missing: NDArray[np.bool_]) -> Groups:
    """Five bands of about equal counts, named by the values they reach up to, and the missing rows last."""
    shares = np.arange(1, BANDS) / BANDS
    cuts = np.unique(np.quantile(present, shares, method="inverted_cdf"))
    cuts = cuts[cuts < present.max()]
    texts = [f"{cut:.10g}" for cut in cuts]
    between = [f"over {low}, up to {high}" for low, high in pairwise(texts)]
    names = [f"up to {texts[0]}", *between, f"over {texts[-1]}"] if texts else ["all"]
    return Groups(*_with_missing(np.searchsorted(cuts, present, side="left").astype(np.int64), names, missing))
