"""The prediction log is read as one, whether it lies there as lines or as Parquet, and is kept within its bounds."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from storage import predictions

GONE = 2**22 + 1  # no process has this number


def _line(number: int, **more: object) -> str:
    facts = {"id": f"{number:024x}", "at": float(number), "ms": 1.0, "version": 1, "digest": "d", "route": "predict"}
    return json.dumps({**facts, "out": [{"probability": 0.5}], "rows": [{"carrier": "UA"}], **more}) + "\n"


def _write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("".join(lines))
    return path


def test_nothing_yet_is_an_empty_log(tmp_path: Path) -> None:
    assert predictions.count(tmp_path) == 0 and predictions.newest(tmp_path) == []


def test_lines_and_parquet_count_alike_and_once(tmp_path: Path) -> None:
    _write(tmp_path, f"p-1-{GONE}.jsonl", _line(1), _line(2))
    _write(tmp_path, f"p-2-{os.getpid()}.open.jsonl", _line(3, rows=[{"a": 1}, {"a": 2}], out=[{"b": 1}, {"b": 2}]))
    _write(tmp_path, f"t-1-{GONE}.jsonl", json.dumps({"id": f"{1:024x}", "row": 0, "truth": 7, "at": 9.0}) + "\n")
    before = predictions.newest(tmp_path)
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=1 << 30)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jsonl", ".parquet", ".parquet"]
    assert predictions.newest(tmp_path) == before
    assert [(row["row"], row["truth"]) for row in before] == [(0, None), (1, None), (0, None), (0, "7")]


def test_the_latest_are_those_of_the_whole_log_read_from_its_ends(tmp_path: Path) -> None:
    _write(tmp_path, f"p-1-{GONE}.jsonl", _line(1), _line(2))
    _write(tmp_path, f"t-1-{GONE}.jsonl", json.dumps({"id": f"{2:024x}", "row": 0, "truth": 7, "at": 9.0}) + "\n")
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=1 << 30)
    _write(tmp_path, f"t-2-{os.getpid()}.open.jsonl", json.dumps({"id": f"{3:024x}", "row": 1, "truth": 5}) + "\n")
    more = _line(3, rows=[{"a": 1}, {"a": 2}], out=[{"b": 1}, {"b": 2}])
    _write(tmp_path, f"p-2-{os.getpid()}.open.jsonl", more, _line(4)[:40])
    found = predictions.latest(tmp_path, 3)
    assert [(int(row["id"], 16), row["row"], row["inputs"]) for row in found] == [
        (3, 0, {"a": 1}), (3, 1, {"a": 2}), (2, 0, {"carrier": "UA"})
    ]  # fmt: skip
    assert [row["truth"] for row in found[:2]] == [None, 5]
    assert predictions.latest(tmp_path / "nothing") == []


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    _write(tmp_path, f"p-1-{GONE}.open.jsonl", _line(1), _line(2)[:40])
    assert predictions.count(tmp_path) == 1
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=1 << 30)
    assert predictions.count(tmp_path) == 1 and next(tmp_path.iterdir()).suffix == ".parquet"


def test_lines_whose_parquet_is_there_count_once(tmp_path: Path) -> None:
    path = _write(tmp_path, f"p-1-{GONE}.jsonl", _line(1))
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=1 << 30)
    _write(tmp_path, path.name, _line(1))  # the power went between the two steps
    assert predictions.count(tmp_path) == 1


def test_the_oldest_segments_go_when_there_are_too_many_or_they_are_too_old(tmp_path: Path) -> None:
    for number in range(3):
        _write(tmp_path, f"p-{number}-{GONE}.jsonl", _line(number))
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=1 << 30)
    size = max(path.stat().st_size for path in tmp_path.iterdir())
    predictions.tidy(tmp_path, keep_days=1e6, keep_bytes=2 * size)
    assert {path.name[:3] for path in tmp_path.iterdir()} == {"p-1", "p-2"}
    os.utime(tmp_path / f"p-1-{GONE}.parquet", (0, time.time() - 3 * 86400))
    predictions.tidy(tmp_path, keep_days=2, keep_bytes=1 << 30)
    assert {path.name[:3] for path in tmp_path.iterdir()} == {"p-2"}
