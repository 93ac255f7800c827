"""Reading metric series: the directories that a run's writer appends to (`metrics/`, `system/`).

A directory holds `groups.jsonl`, one line for each set of metrics logged together, and a file of fixed records for each
set: step int64, time float64 (seconds since the epoch), one float64 a metric, little endian. A record that is not whole
yet is left out. Files are read, never mapped: their writer may shorten them when a run is resumed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One metric's points in the order of their time: three arrays of one length."""

    step: Ints
    time: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True)
class Summary:
    """A metric in a few numbers. `min` and `max` are over the finite values, NaN where there is none."""

    last: float
    last_step: int
    min: float
    max: float
    count: int
    first_nonfinite_step: int | None


@dataclass(frozen=True)
class Envelope:
    """A series in buckets of equal width: arrays of one length, one item a bucket.

    Attributes:
        x: the middle of each bucket.
        low, high: the smallest and largest finite value in it; NaN where there is none.
        count: how many points are in it; `nonfinite`: how many of these are NaN or infinite.
    """

    x: Floats
    low: Floats
    high: Floats
    count: Ints
    nonfinite: Ints


def names(directory: Path | str) -> list[str]:
    """The metrics that have at least one record, in the order in which they first came."""
    found: dict[str, None] = {}
    for number, columns in _groups(directory):
        if _size(directory, number) >= _record(columns).itemsize:
            found.update(dict.fromkeys(columns))
    return list(found)


def read(directory: Path | str, name: str, *, since: float = 0.0) -> Series:
    """The points of one metric, or those after `since` (seconds since the epoch). A metric that is not there has
    none."""
    parts = [
        _column(_records(directory, number, columns, since), columns.index(name))
        for number, columns in _groups(directory)
        if name in columns
    ]
    if not parts:
        return Series(np.empty(0, np.int64), np.empty(0), np.empty(0))
    return _merged(parts)


def read_all(directory: Path | str) -> dict[str, Series]:
    """The points of every metric that has a record."""
    parts: dict[str, list[Series]] = {}
    for number, columns in _groups(directory):
        records = _records(directory, number, columns)
        if len(records):
            for place, name in enumerate(columns):
                parts.setdefault(name, []).append(_column(records, place))
    return {name: _merged(found) for name, found in parts.items()}


def last_values(directory: Path | str) -> dict[str, Summary]:
    """A summary of every metric that has a record."""
    return {name: summary(found) for name, found in read_all(directory).items()}


def write(directory: Path, series: Mapping[str, Series]) -> None:
    """Write whole series into a new directory, as a run's writer leaves them: in the order of their time, those that
    have the same steps and times side by side in one file."""
    directory.mkdir(parents=True)
    groups: dict[tuple[bytes, bytes], dict[str, Series]] = {}
    for name, found in series.items():
        if not len(found):
            continue
        order = np.argsort(found.time, kind="stable")
        sorted_ = Series(found.step[order], found.time[order], found.value[order])
        groups.setdefault((sorted_.step.tobytes(), sorted_.time.tobytes()), {})[name] = sorted_
    lines = []
    for number, together in enumerate(groups.values()):
        columns, first = list(together), next(iter(together.values()))
        records = np.empty(len(first), _record(columns))
        records["step"], records["time"] = first.step, first.time
        records["values"] = np.stack([each.value for each in together.values()], axis=1)
        records.tofile(directory / f"g{number}.bin")
        lines.append(json.dumps({"group": number, "names": columns}) + "\n")
    (directory / "groups.jsonl").write_text("".join(lines), encoding="utf-8")


def summary(series: Series) -> Summary:
    """What the series came to; it has at least one point."""
    finite = np.isfinite(series.value)
    values = series.value[finite]
    broken = np.flatnonzero(~finite)
    return Summary(
        last=float(series.value[-1]),
        last_step=int(series.step[-1]),
        min=float(values.min()) if len(values) else float("nan"),
        max=float(values.max()) if len(values) else float("nan"),
        count=len(series),
        first_nonfinite_step=int(series.step[broken[0]]) if len(broken) else None,
    )


def bucket(series: Series, buckets: int, x: Literal["step", "time"] = "step") -> Envelope:
    """The series in at most `buckets` buckets of equal width, each with its lowest and highest value: a spike is never
    lost.

    Raises:
        ValueError: `buckets` is less than 1.
    """
    if buckets < 1:
        raise ValueError("a chart has at least one bucket")
    if not len(series):
        nothing = np.empty(0)
        return Envelope(nothing, nothing, nothing, np.empty(0, np.int64), np.empty(0, np.int64))
    along = (series.step if x == "step" else series.time).astype(np.float64)
    start, width = float(along.min()), float(along.max() - along.min())
    if width == 0:
        buckets, start, width = 1, start - 0.5, 1.0
    place = np.minimum(((along - start) / width * buckets).astype(np.int64), buckets - 1)
    finite = np.isfinite(series.value)
    count = np.bincount(place, minlength=buckets)
    nonfinite = np.bincount(place[~finite], minlength=buckets)
    low, high = _extremes(place[finite], series.value[finite], buckets)
    middle = start + (np.arange(buckets, dtype=np.float64) + 0.5) * (width / buckets)
    return Envelope(middle.astype(np.float64), low, high, count.astype(np.int64), nonfinite.astype(np.int64))


def size(directory: Path | str) -> int:
    """All bytes of a directory of series: when it is the same as before, nothing was logged meanwhile. 0 where there is
    none."""
    try:
        with os.scandir(directory) as items:
            return sum(item.stat().st_size for item in items)
    except FileNotFoundError:
        return 0


def _groups(directory: Path | str) -> list[tuple[int, list[str]]]:
    """Number and metrics of every group whose line is whole."""
    try:
        lines = Path(directory, "groups.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            group = json.loads(line)
        except ValueError:
            break  # a power cut may leave anything behind the last line that was made safe
        found.append((group["group"], group["names"]))
    return found


def _record(columns: list[str]) -> np.dtype[np.void]:
    return np.dtype([("step", "<i8"), ("time", "<f8"), ("values", "<f8", (len(columns),))])


def _size(directory: Path | str, number: int) -> int:
    try:
        return Path(directory, f"g{number}.bin").stat().st_size
    except FileNotFoundError:
        return 0


def _records(directory: Path | str, number: int, columns: list[str], since: float = 0.0) -> NDArray[np.void]:
    """The whole records of a group that come after `since`."""
    record = _record(columns)
    try:
        with Path(directory, f"g{number}.bin").open("rb", buffering=0) as file:
            rows = os.fstat(file.fileno()).st_size // record.itemsize
            first = _first_after(file.fileno(), record.itemsize, rows, since) if since > 0 else 0
            file.seek(first * record.itemsize)
            records: NDArray[np.void] = np.fromfile(file, record, rows - first)
    except FileNotFoundError:
        return np.empty(0, record)
    return records[records["time"] > since] if since > 0 else records


def _first_after(handle: int, record: int, rows: int, since: float) -> int:
    """The first record after `since`, by halving: records are in the order of their time."""
    low, high = 0, rows
    while low < high:
        middle = (low + high) // 2
        time = np.frombuffer(os.pread(handle, 8, middle * record + 8), "<f8")
        if len(time) and time[0] <= since:
            low = middle + 1
        else:
            high = middle
    return low


def _column(records: NDArray[np.void], place: int) -> Series:
    return Series(records["step"].astype(np.int64), records["time"].astype(float), records["values"][:, place].copy())


def _merged(parts: list[Series]) -> Series:
    if len(parts) == 1:
        return parts[0]
    time = np.concatenate([part.time for part in parts])
    order = np.argsort(time, kind="stable")
    step = np.concatenate([part.step for part in parts])
    value = np.concatenate([part.value for part in parts])
    return Series(step[order], time[order], value[order])


def _extremes(place: Ints, value: Floats, buckets: int) -> tuple[Floats, Floats]:
    """The lowest and highest value of each bucket."""
    low, high = np.full(buckets, np.nan), np.full(buckets, np.nan)
    if len(place):
        if np.any(place[1:] < place[:-1]):
            order = np.argsort(place, kind="stable")
            place, value = place[order], value[order]
        starts = np.flatnonzero(np.concatenate([[True], place[1:] != place[:-1]]))
        low[place[starts]] = np.minimum.reduceat(value, starts)
        high[place[starts]] = np.maximum.reduceat(value, starts)
    return low, high
