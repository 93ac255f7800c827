"""Traffic of an endpoint over time, from its counters and its prediction log. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from storage.traffic import Sample

LENGTHS_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
MOST_BUCKETS = 60


@dataclass(frozen=True)
class Bucket:
    """A stretch of time that begins at `at` (seconds since the epoch, UTC).

    Attributes:
        requests: those answered.
        refused: what was wrong with the request (4xx).
        errors: what was wrong with us: failures of the model, and requests turned away because too many waited.
        p50_ms, p99_ms: of the requests in the prediction log; None where it has none.
    """

    at: float
    seconds: float
    requests: int = 0
    refused: int = 0
    errors: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


def bucket_seconds(window_s: float) -> float:
    """How long the buckets of a window are: a round length, and at most 60 of them."""
    return next((length for length in LENGTHS_S if window_s / length <= MOST_BUCKETS), LENGTHS_S[-1])


def buckets(
    samples: Sequence[Sample],
    latencies: Mapping[int, tuple[int, float, float]],
    since: float,
    until: float,
    seconds: float,
    logged: float,
) -> list[Bucket]:
    """Every bucket from `since` to `until`, empty ones too.

    Args:
        samples: of the counters, the oldest first; what was counted between two belongs to the later one's time.
        latencies: number of a bucket (since the epoch) → requests in the log, p50 and p99 in milliseconds.
        logged: the share of the requests that the log has; 0: they are counted, to the minute.
    """
    counted: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for before, sample in pairwise(samples):
        if sample.at >= since:
            for name, count in sample.since(before).items():
                counted[int(sample.at // seconds)][name] += count
    found = []
    for number in range(int(since // seconds), int(until // seconds) + 1):
        counts, (lines, p50, p99) = counted[number], latencies.get(number, (0, None, None))
        found.append(
            Bucket(
                at=number * seconds,
                seconds=seconds,
                requests=round(lines / logged) if logged else counts["answered"],
                refused=counts["refused"] + counts["unauthorized"],
                errors=counts["failed"] + counts["shed"],
                p50_ms=p50,
                p99_ms=p99,
            )
        )
    return found
