"""The most GPU memory that a run has held is read from its own series."""

from __future__ import annotations

from pathlib import Path

from runners.supervision.peaks import gpu_peak
from runners.userside.series import Writer
from storage import metrics

NAN = float("nan")
FIRST, SECOND = "gpu0/memory_ours_bytes", "gpu1/memory_ours_bytes"


def held(run_dir: Path, *samples: tuple[float, float]) -> None:
    writer = Writer(str(run_dir / "system"), keep=True)
    for step, (first, second) in enumerate(samples):
        writer.log({"memory/rss_bytes": 50.0, "gpu0/memory_used_bytes": 99.0, FIRST: first, SECOND: second}, step)
    writer.close()


def test_the_peak_is_the_most_on_any_one_gpu(tmp_path: Path) -> None:
    held(tmp_path, (0.0, 3.0), (5.0, NAN), (4.0, 7.0))
    held(tmp_path, (6.0, 1.0))
    assert gpu_peak(tmp_path) == 7


def test_what_an_earlier_attempt_held_does_not_count_for_this_one(tmp_path: Path) -> None:
    held(tmp_path, (9.0, 0.0))
    began = metrics.read(tmp_path / "system", FIRST).time[-1]
    held(tmp_path, (4.0, 0.0))
    assert gpu_peak(tmp_path, since=began) == 4


def test_what_was_never_measured_or_held_is_not_known(tmp_path: Path) -> None:
    assert gpu_peak(tmp_path) is None
    held(tmp_path, (NAN, 0.0))
    assert gpu_peak(tmp_path) is None
