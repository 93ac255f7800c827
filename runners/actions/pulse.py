"""The pulse of endpoints: what each does between two looks at its counters, which any process may read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from runners.serving import figures
from runners.serving.figures import Histogram, Totals
from storage.shed import Shed

KEPT = 600  # beats of an endpoint


@dataclass(frozen=True)
class Beat:
    """An endpoint between two looks.

    Attributes:
        at: when the later look was; `seconds` passed since the earlier.
        answered, refused, failed: requests. Refused ones were wrong (4xx); failed ones are ours (5xx, and 429 and 503
            when the queue was full).
        latency_ms: of those answered.
    """

    at: float
    seconds: float
    answered: int
    refused: int
    failed: int
    latency_ms: Histogram


@dataclass(frozen=True)
class Rate:
    """Some beats together: a second, and milliseconds below which half or 99 of 100 requests were answered.

    The latter are bounds of their buckets; None where nothing was answered.
    """

    requests: float = 0.0
    refused: float = 0.0
    failed: float = 0.0
    p50: float | None = None
    p99: float | None = None


@dataclass
class _Known:
    totals: Totals
    at: float
    beats: deque[Beat] = field(default_factory=lambda: deque(maxlen=KEPT))


class Pulse:
    """Keeps the last beats of every endpoint of a shed. A look costs some 0.1 ms an endpoint."""

    def __init__(self, shed: Shed) -> None:
        self._folder = shed.root / "endpoints"
        self._known: dict[str, _Known] = {}

    @property
    def beating(self) -> bool:
        """Whether there are endpoints to look at."""
        return self._folder.is_dir() and any(self._folder.iterdir())

    def look(self) -> None:
        """Read the counters once more."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else []:
            totals, now = figures.totals(path), time.time()
            known = self._known.get(path.name)
            if known is None:
                self._known[path.name] = _Known(totals, now)
                continue
            if now > known.at:
                known.beats.append(_beat(known.totals, totals, now, now - known.at))
            known.totals, known.at = totals, now

    def beats(self, name: str) -> list[Beat]:
        """The oldest first; none before the second look."""
        known = self._known.get(name)
        return list(known.beats) if known is not None else []

    def rate(self, name: str, seconds: float = 10.0) -> Rate | None:
        """The last so many seconds together; None before the second look."""
        beats = self.beats(name)
        return rate([beat for beat in beats if beat.at > beats[-1].at - seconds]) if beats else None


def rate(beats: Sequence[Beat]) -> Rate:
    """What these come to."""
    seconds = sum(beat.seconds for beat in beats)
    if not seconds:
        return Rate()
    counts = tuple(sum(column) for column in zip(*(beat.latency_ms.counts for beat in beats), strict=True))
    latency = Histogram(beats[0].latency_ms.bounds, counts, sum(beat.latency_ms.sum for beat in beats))
    return Rate(
        sum(beat.answered for beat in beats) / seconds,
        sum(beat.refused for beat in beats) / seconds,
        sum(beat.failed for beat in beats) / seconds,
        latency.quantile(0.5),
        latency.quantile(0.99),
    )


def _beat(before: Totals, after: Totals, at: float, seconds: float) -> Beat:
    def more(name: str) -> int:
        return max(0, after.counters[name] - before.counters[name])

    old, new = before.latency_ms, after.latency_ms
    counts = tuple(max(0, b - a) for a, b in zip(old.counts, new.counts, strict=True))
    latency = Histogram(new.bounds, counts, max(0.0, new.sum - old.sum))
    refused = more("refused") + more("unauthorized")
    return Beat(at, seconds, more("answered"), refused, more("failed") + more("shed"), latency)
