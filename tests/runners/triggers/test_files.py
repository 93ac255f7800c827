"""Whether files are whole, and what the process with limits says of those that break things."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from runners.triggers.completeness import incomplete
from runners.triggers.inspecting import Inspector


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"x,y\n1,2\n", ""),
        ("a.csv", b"x,y\n1,2", "its last line has no end yet"),
        ("a.jsonl", b'{"x": 1}\n{"x"', "its last line has no end yet"),
        ("a.json", b'[{"x": 1}]\n', ""),
        ("a.json", b'[{"x": 1},', "its last bracket is not there yet"),
        ("a.parquet", b"PAR1" + b"\0" * 40, "its footer is not there yet"),
        ("a.parquet", b"", "it is empty"),
        ("a.png", b"anything", ""),
    ],
)
def test_a_file_is_whole_when_its_end_is_there(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert incomplete(tmp_path / name, name) == told


def test_a_parquet_file_cut_anywhere_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    duckdb.sql(f"copy (select range as i from range(1000)) to '{path}'")
    data = path.read_bytes()
    assert incomplete(path, "a.parquet") == ""
    for size in range(0, len(data), max(1, len(data) // 50)):
        path.write_bytes(data[:size])
        assert incomplete(path, "a.parquet")


def test_files_are_looked_into_one_by_one_whatever_they_are(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + b"\xff" * 1000 + b"PAR1")
    (tmp_path / "wide.csv").write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n")
    (tmp_path / "torn.csv").write_text('a,b\n1,"x\n2,y\n')
    (tmp_path / "twice.csv").write_text("a,b,a\n1,x,2\n")
    names = ["good.csv", "broken.parquet", "wide.csv", "torn.csv", "missing.csv", "twice.csv", "good.csv"]
    with Inspector() as inspector:
        good, broken, wide, torn, missing, twice, again = inspector.look_into(
            [(tmp_path / name, name) for name in names]
        )
    assert [column.name for column in good.columns] == ["a", "b"] and good.rows == 2 and good == again
    assert broken.fault and torn.fault and missing.fault
    assert twice.fault == 'line 1 names the column "a" 2 times: 1 and 3 of 3'
    assert "first line" in wide.fault or "columns" in wide.fault


def test_a_file_that_kills_its_reader_leaves_the_others_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("a,b\n1,x\n")
    killer = tmp_path / "killer.py"
    killer.write_text(
        "import sys, os, json\n"
        "for line in sys.stdin:\n"
        "    if 'bad' in line: os.kill(os.getpid(), 11)\n"
        "    if 'slow' in line: import time; time.sleep(60)\n"
        "    print(json.dumps({'columns': [], 'rows': 1}), flush=True)\n"
    )
    names = ["good.csv", "bad.csv", "good.csv", "slow.csv", "good.csv"]
    with Inspector(longest_s=0.5, command=[sys.executable, str(killer)]) as inspector:
        found = list(inspector.look_into([(tmp_path / name, name) for name in names]))
    assert [each.fault for each in found] == [
        "", "reading it crashed the parser (SIGSEGV)", "", "reading it took longer than 0.5 s", "",
    ]  # fmt: skip
