"""Counters of a worker, in a file mapped into memory: adding to one costs 50 ns, and any process can read them.

They outlive their worker, so that what `/metrics` tells never falls when one is started again.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from runners.serving.paths import ROUTES

LATENCY_MS = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 50.0, 100.0, 250.0, 1000.0, 5000.0)
BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 8192)
COUNTERS = (
    "answered", "refused", "failed", "shed", "unauthorized", "rows", "nonfinite", "swaps", "feedback",
    "log_dropped", "log_errors", "log_written", "access_dropped", "in_flight", "queued_rows", "connections",
)  # fmt: skip
GAUGES = frozenset({"in_flight", "queued_rows", "connections"})  # of a worker at this moment, nothing once it is gone
_PLACE = {name: place for place, name in enumerate(COUNTERS)}
_LATENCY = len(COUNTERS)  # its buckets, then its sum
_BATCH = _LATENCY + len(LATENCY_MS) + 2
_ROUTES = _BATCH + len(BATCH_ROWS) + 2  # of each route its answers by class, then its latency, as above
CLASSES = ("2xx", "3xx", "4xx", "5xx")
_ROUTE = len(CLASSES) + len(LATENCY_MS) + 2
SIZE = _ROUTES + len(ROUTES) * _ROUTE


@dataclass(frozen=True)
class Histogram:
    """`counts` has one place more than there are bounds: what lies beyond the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The bound below which this share of the values lies; None where there are none."""
        rest = self.count * share
        if not self.count:
            return None
        for bound, count in zip(self.bounds, self.counts, strict=False):
            rest -= count
            if rest <= 0:
                return bound
        return float("inf")


class Figures:
    """One worker's counters, written by its event loop alone."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            if os.fstat(fd).st_size != SIZE * 8:
                os.ftruncate(fd, 0)
                os.ftruncate(fd, SIZE * 8)
            self._cells = memoryview(mmap.mmap(fd, SIZE * 8)).cast("d")
        finally:
            os.close(fd)
        for name in GAUGES:
            self._cells[_PLACE[name]] = 0.0

    def add(self, name: str, amount: float = 1.0) -> None:
        self._cells[_PLACE[name]] += amount

    def put(self, name: str, value: float) -> None:
        self._cells[_PLACE[name]] = value

    def get(self, name: str) -> float:
        return self._cells[_PLACE[name]]

    def all(self) -> dict[str, int]:
        return {name: int(self._cells[place]) for name, place in _PLACE.items()}

    def took(self, milliseconds: float) -> None:
        """A request was answered after so long."""
        cells = self._cells
        cells[_LATENCY + bisect_left(LATENCY_MS, milliseconds)] += 1.0
        cells[_BATCH - 1] += milliseconds

    def batched(self, rows: int) -> None:
        """The model was called once, with so many rows."""
        cells = self._cells
        cells[_BATCH + bisect_left(BATCH_ROWS, rows)] += 1.0
        cells[_ROUTES - 1] += rows

    def left(self, route: int, status: int, milliseconds: float) -> None:
        """An answer of this status went out by a route, given by its place in ROUTES, so long after it was asked."""
        cells, start = self._cells, _ROUTES + route * _ROUTE
        cells[start + status // 100 - 2] += 1.0
        cells[start + len(CLASSES) + bisect_left(LATENCY_MS, milliseconds)] += 1.0
        cells[start + _ROUTE - 1] += milliseconds


@dataclass(frozen=True)
class RouteTotals:
    """What went out by one route: answers by the class of their status, and how long they took."""

    answers: dict[str, int]
    latency_ms: Histogram


@dataclass(frozen=True)
class Totals:
    """Counters of all workers of an endpoint together; `routes` by their patterns."""

    counters: dict[str, int]
    latency_ms: Histogram
    batch_rows: Histogram
    routes: dict[str, RouteTotals]


def totals(folder: Path) -> Totals:
    """What the files in `folder` come to."""
    cells = [0.0] * SIZE
    for path in sorted(folder.glob("worker-*.figures")):
        data = path.read_bytes()
        if len(data) == SIZE * 8:
            cells = [known + found for known, found in zip(cells, memoryview(data).cast("d"), strict=True)]
    return Totals(
        {name: int(cells[place]) for name, place in _PLACE.items()},
        _histogram(LATENCY_MS, cells[_LATENCY:_BATCH]),
        _histogram(BATCH_ROWS, cells[_BATCH:_ROUTES]),
        {route: _route(cells[_ROUTES + place * _ROUTE :][:_ROUTE]) for place, route in enumerate(ROUTES)},
    )


def _route(cells: list[float]) -> RouteTotals:
    answers = {name: int(count) for name, count in zip(CLASSES, cells, strict=False)}
    return RouteTotals(answers, _histogram(LATENCY_MS, cells[len(CLASSES) :]))


def _histogram(bounds: tuple[float, ...], cells: list[float]) -> Histogram:
    return Histogram(tuple(map(float, bounds)), tuple(int(count) for count in cells[:-1]), cells[-1])
