"""What the writing side of the log keeps, drops and hides."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runners.actions import endpoints
from runners.serving import following, predictionlog, trial
from runners.serving.figures import Figures
from runners.serving.predictionlog import Answered, PredictionLog
from storage import predictions
from storage.errors import UsageError
from storage.memory import in_memory
from storage.serve_section import LogSection
from storage.shed import open_shed
from tests.served import strict, version_of


def _log(tmp_path: Path, **rules: Any) -> tuple[PredictionLog, Figures]:
    figures = Figures(tmp_path / "worker-0.figures")
    (tmp_path / "log").mkdir(exist_ok=True)
    return PredictionLog(tmp_path / "log", LogSection(**rules), figures, key=b"secret"), figures


def _answered(number: int, rows: Any = b'{"carrier":\n"UA","email":"a@b"}') -> Answered:
    return Answered(f"{number:024x}", float(number), 1.0, 1, "d", "predict", rows, [{"probability": 0.5}])


def test_sensitive_columns_are_dropped_or_hashed_however_they_came(tmp_path: Path) -> None:
    log, _ = _log(tmp_path, drop=["email"], hash=["carrier"])
    log.add(_answered(1), 50)
    log.add(_answered(2, lambda: [{"carrier": "UA", "email": "a@b"}]), 50)
    log.close()
    found = [strict(row["inputs"]) for row in predictions.newest(tmp_path / "log")]
    assert found[0] == found[1] and set(found[0]) == {"carrier"} and len(found[0]["carrier"]) == 16


def test_no_line_is_lost_while_the_thread_takes_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictionlog, "FLUSH_S", 0.0)
    log, figures = _log(tmp_path)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(20_000):
            log.add(_answered(number), 0)
    finally:
        sys.setswitchinterval(before)
        log.close()
    assert figures.get("log_written") == 20_000


def test_a_share_of_the_requests_may_be_enough(tmp_path: Path) -> None:
    log, _ = _log(tmp_path, sample=0.25)
    for number in range(100):
        log.add(_answered(number), 50)
    log.close()
    assert predictions.count(tmp_path / "log") == 25


def test_a_full_disk_is_counted_and_what_fits_again_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, figures = _log(tmp_path)
    write = os.write
    full = [True]

    def short(fd: int, data: bytes) -> int:
        if full[0] and data.startswith(b'{"id"'):
            write(fd, data[:10])
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", short)
    log.add(_answered(1), 50)
    log._flush()
    assert (figures.get("log_dropped"), figures.get("log_errors")) == (1, 1)
    full[0] = False
    log.add(_answered(2), 50)
    log.close()
    assert [row["id"] for row in predictions.newest(tmp_path / "log")] == [f"{2:024x}"]


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.serving.predictionlog.BUFFER_BYTES", 10_000)
    monkeypatch.setattr("runners.serving.predictionlog.FLUSH_S", 60.0)
    log, figures = _log(tmp_path)
    for number in range(100):
        log.add(_answered(number), 1000)
    log.close()
    assert figures.get("log_dropped") == 100 - predictions.count(tmp_path / "log") > 80


def test_truth_that_no_memory_is_left_for_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.serving.predictionlog.BUFFER_BYTES", 200)
    monkeypatch.setattr("runners.serving.predictionlog.FLUSH_S", 60.0)
    log, _ = _log(tmp_path)
    told = [{"id": f"{number:024x}", "row": 0, "truth": 1, "at": 1.0} for number in range(2)]
    assert log.truths(told) and not log.truths(told)
    log.close()
    with predictions.connect(tmp_path / "log") as con:
        assert con.execute("select count(*) from feedback").fetchall() == [(2,)]


def test_a_column_that_must_not_be_logged_is_not_mistyped_nor_shown_as_the_example(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    version = version_of(shed)
    with pytest.raises(UsageError, match='did you mean "carrier"'):
        endpoints.start(shed, "delays", settings={"log": {"drop": ["carier"]}})
    rows = tmp_path / "rows.parquet"
    with in_memory() as con:
        con.execute(f"copy (select 1.0 as distance, 'secret' as carrier, 2 as day) to '{rows}' (format parquet)")
    described, _ = following.described(shed, "delays", version)
    found = trial.tried(described, rows, threads=1, device="cpu", hidden=["carrier"])
    assert found["example"] == {"distance": 1.0, "carrier": "AA", "day": 2}
