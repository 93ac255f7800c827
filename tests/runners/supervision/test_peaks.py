"""The most memory that a run has held is read from its own series."""

from __future__ import annotations

from pathlib import Path

from runners.supervision.peaks import Peaks, peaks
from runners.userside.series import Writer

NAN = float("nan")


def test_the_peak_is_the_most_on_any_one_gpu_over_all_attempts(tmp_path: Path) -> None:
    for attempt in range(2):
        writer = Writer(str(tmp_path / "system"), keep=True)
        for step, (rss, first, second) in enumerate([(10.0, 0.0, 3.0), (30.0, 5.0, NAN), (20.0, 4.0, 7.0)]):
            held = {"gpu0/memory_ours_bytes": first + attempt, "gpu1/memory_ours_bytes": second}
            writer.log({"memory/rss_bytes": rss, "gpu0/memory_used_bytes": 99.0, **held}, 3 * attempt + step)
        writer.close()
    assert peaks(tmp_path) == Peaks(rss_bytes=30, gpu_bytes=7)


def test_what_was_never_measured_or_held_is_not_known(tmp_path: Path) -> None:
    assert peaks(tmp_path) == Peaks(None, None)
    writer = Writer(str(tmp_path / "system"), keep=True)
    writer.log({"memory/rss_bytes": 1.0, "gpu0/memory_ours_bytes": NAN, "gpu1/memory_ours_bytes": 0.0}, 0)
    writer.close()
    assert peaks(tmp_path) == Peaks(1, None)
