"""The most memory that a run has held, from the series that its supervisor has sampled once a second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from storage import metrics

OURS = re.compile(r"gpu\d+/memory_ours_bytes")


@dataclass(frozen=True)
class Peaks:
    """Bytes over all attempts of a run; None where nothing was measured, or nothing was held.

    `gpu_bytes` is the most on any one GPU, by the run's own processes; a spike between two samples is not in it.
    """

    rss_bytes: int | None
    gpu_bytes: int | None


def peaks(run_dir: Path) -> Peaks:
    """The peaks in the run's `system/` series."""
    found = metrics.last_values(run_dir / "system")
    rss = found["memory/rss_bytes"].max if "memory/rss_bytes" in found else 0.0
    gpu = [summary.max for name, summary in found.items() if OURS.fullmatch(name)]
    return Peaks(_held(rss), max((_held(most) or 0 for most in gpu), default=0) or None)


def _held(most: float) -> int | None:
    return int(most) if most > 0 else None  # NaN is not above 0 either
