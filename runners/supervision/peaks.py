"""The most GPU memory that a run has held, from the series that its supervisor has sampled once a second."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from storage import metrics

OURS = re.compile(r"gpu\d+/memory_ours_bytes")


def gpu_peak(run_dir: Path, *, since: float = 0.0) -> int | None:
    """The most bytes on any one GPU by the run's own processes, after `since` (seconds since the epoch).

    None where nothing was measured, or nothing was held. A spike between two samples is not in it.
    """
    system = run_dir / "system"
    ours = [name for name in metrics.names(system) if OURS.fullmatch(name)]
    held = (np.nan_to_num(metrics.read(system, name, since=since).value).max(initial=0.0) for name in ours)
    return int(max(held, default=0.0)) or None
