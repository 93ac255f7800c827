"""What both versions of a rollout did: counts, and a fair sample of latencies and predictions, in a mapped file.

Each worker has one, which outlives it: a kill -9 loses nothing that was answered. A request costs 1 µs.
"""

from __future__ import annotations

import math
import mmap
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT = 4096  # latencies and predictions of each side, each request as likely to be among them as any other
PRODUCTION, SECOND = 0, 1
_REQUESTS, _ERRORS, _SAMPLED, _DROPPED = range(4)
_HEAD = 4
_SIDE = _HEAD + 2 * KEPT
SIZE = 2 * _SIDE

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One version's part. `ms` and `values` are samples of at most `KEPT` a worker; `dropped` was never asked."""

    requests: int
    errors: int
    dropped: int
    ms: Floats
    values: Floats

    def latency(self, share: float) -> float | None:
        """Milliseconds within which this share of the requests was answered."""
        return float(np.quantile(self.ms, share)) if len(self.ms) else None


class Samples:
    """One worker's file, written by its event loop, or for the second version of a shadow by that one's thread."""

    def __init__(self, folder: Path, worker: int) -> None:
        folder.mkdir(mode=0o2770, exist_ok=True)
        fd = os.open(folder / f"worker-{worker}.samples", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            os.ftruncate(fd, SIZE * 8)
            self._cells = memoryview(mmap.mmap(fd, SIZE * 8)).cast("d")
        finally:
            os.close(fd)

    def answered(self, side: int, milliseconds: float, value: float) -> None:
        """A request was answered; a value that is not finite is a failure."""
        cells, head = self._cells, side * _SIDE
        cells[head + _REQUESTS] += 1.0
        if not math.isfinite(value):
            cells[head + _ERRORS] += 1.0
            return
        sampled = int(cells[head + _SAMPLED])
        cells[head + _SAMPLED] = sampled + 1.0
        place = sampled if sampled < KEPT else int(random.random() * (sampled + 1))  # Vitter's algorithm R
        if place < KEPT:
            cells[head + _HEAD + place] = milliseconds
            cells[head + _HEAD + KEPT + place] = value

    def failed(self, side: int) -> None:
        """A request that the version could not answer, or not in time."""
        self._cells[side * _SIDE + _REQUESTS] += 1.0
        self._cells[side * _SIDE + _ERRORS] += 1.0

    def dropped(self, side: int) -> None:
        """A request that was not even asked: too many waited."""
        self._cells[side * _SIDE + _DROPPED] += 1.0


def value_of(entry: dict[str, Any]) -> float:
    """A prediction as one number: its value, or the place of the likeliest class."""
    value = next(iter(entry.values()))
    if isinstance(value, dict):
        shares = list(value.values())
        return float(shares.index(max(shares))) if all(map(math.isfinite, shares)) else math.nan
    while isinstance(value, list) and value:
        value = value[0]
    return float(value) if isinstance(value, int | float) else 0.0


def together(folder: Path) -> tuple[Side, Side]:
    """What the files of all workers come to: production's side, and the second version's."""
    found = [np.frombuffer(data, np.float64) for data in _read(folder)]
    return _side(found, PRODUCTION), _side(found, SECOND)


def _read(folder: Path) -> list[bytes]:
    data = [path.read_bytes() for path in sorted(folder.glob("worker-*.samples"))]
    return [each for each in data if len(each) == SIZE * 8]


def _side(workers: list[Floats], side: int) -> Side:
    parts = [cells[side * _SIDE : (side + 1) * _SIDE] for cells in workers]
    requests, errors, dropped = (sum(int(part[place]) for part in parts) for place in (_REQUESTS, _ERRORS, _DROPPED))
    sampled = [int(part[_SAMPLED]) for part in parts]
    thinnest = max((count / min(count, KEPT) for count in sampled if count), default=1.0)
    chance = np.random.default_rng(0)
    ms, values = [np.empty(0)], [np.empty(0)]
    for part, count in zip(parts, sampled, strict=True):
        kept = min(count, KEPT)
        chosen = chance.permutation(kept)[: round(count / thinnest)]  # of each worker as large a share
        ms.append(part[_HEAD:][chosen])
        values.append(part[_HEAD + KEPT :][chosen])
    return Side(requests, errors, dropped, np.concatenate(ms), np.concatenate(values))
