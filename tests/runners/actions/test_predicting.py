"""A file of rows is predicted part by part, and goes on where it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from runners.actions import predicting
from storage.errors import DataInvalid, UsageError
from storage.shed import Shed, open_shed
from tests.served import probability, version_of

ROWS = """
    select (i * 7 % 2000)::double as distance, ['AA', 'UA', null][i % 3 + 1] as carrier, i % 5 as day, i
    from range(25) t(i)
"""


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setattr(predicting, "PART_ROWS", 10)
    found = open_shed(tmp_path / "shed")
    version_of(found)
    return found


@pytest.fixture(params=["parquet", "csv", "jsonl"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"rows.{request.param}"
    form = {"parquet": "parquet", "csv": "csv, header", "jsonl": "json"}[request.param]
    duckdb.sql(f"copy ({ROWS}) to '{path}' (format {form})")
    return path


def _read(path: Path) -> list[tuple[Any, ...]]:
    return duckdb.sql(f"select * from '{path}'").fetchall()


def test_every_row_is_predicted_in_order(shed: Shed, rows: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    done = predicting.predict(
        shed, "delays", rows, tmp_path / "y.parquet", keep=("i",), progress=lambda *at: told.append(at)
    )
    assert (done.rows, done.version, told) == (25, 1, [(10, 25), (20, 25), (25, 25)])
    found = _read(tmp_path / "y.parquet")
    wanted = [
        probability({"distance": i * 7 % 2000, "carrier": ["AA", "UA", None][i % 3], "day": i % 5}) for i in range(25)
    ]
    assert [row[0] for row in found] == list(range(25))
    assert [row[1] for row in found] == pytest.approx(wanted, abs=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"shed", rows.name, "y.parquet"}


def test_an_interrupted_call_is_gone_on_with(shed: Shed, rows: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicting.predict(shed, "delays", rows, tmp_path / "y.parquet", progress=interrupt)
    assert not (tmp_path / "y.parquet").exists()
    assert predicting.predict(shed, "delays", rows, tmp_path / "y.parquet").resumed == 20
    assert len(_read(tmp_path / "y.parquet")) == 25


def test_parts_of_another_model_are_not_gone_on_with(shed: Shed, rows: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicting.predict(shed, "delays", rows, tmp_path / "y.parquet", progress=interrupt)
    version_of(shed, 1.0)
    assert predicting.predict(shed, "delays", rows, tmp_path / "y.parquet").resumed == 0


def test_what_cannot_be_is_told_before_anything_is_done(shed: Shed, rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "y.parquet"
    with pytest.raises(UsageError, match="no such file"):
        predicting.predict(shed, "delays", tmp_path / "none.csv", out)
    with pytest.raises(UsageError, match="written as Parquet"):
        predicting.predict(shed, "delays", rows, tmp_path / "y.csv")
    with pytest.raises(DataInvalid, match='no column "carier"'):
        predicting.predict(shed, "delays", rows, out, keep=("carier",))
    lacking = tmp_path / "lacking.parquet"
    duckdb.sql(f"copy (select 1.0 as distance) to '{lacking}'")
    with pytest.raises(DataInvalid, match='no column "carrier"'):
        predicting.predict(shed, "delays", lacking, out)
    out.touch()
    with pytest.raises(UsageError, match="there already"):
        predicting.predict(shed, "delays", rows, out)


def test_a_file_whose_header_has_a_name_twice_is_refused(shed: Shed, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("distance;carrier;Distance;day\n1.5;UA;2.5;1\n")
    with pytest.raises(DataInvalid, match='names the column "distance" 2 times: 1 and 3 of 4'):
        predicting.predict(shed, "delays", rows, tmp_path / "y.parquet")


def test_a_value_that_does_not_fit_is_told_of_the_file_that_was_given(shed: Shed, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text('distance;carrier;day\n"80,15";UA;1\n')
    with pytest.raises(DataInvalid) as caught:
        predicting.predict(shed, "delays", rows, tmp_path / "y.parquet")
    assert caught.value.place == str(rows) and "'80,15'" in caught.value.message and "distance" in caught.value.message
    assert "[dataset] query" in caught.value.todo
