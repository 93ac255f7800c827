"""What a run begun by a trigger learns from: all rows, or those of the last months, counted back from the newest."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from runners.triggers.window import windowed
from storage.project import load_project
from tests.runners.triggers.watched import PROJECT

SPLIT = '[split]\nby = "time"\ncolumn = "day"\nvalidation = 0.1\ntest = 0.1\n'
FEATURES = '[features]\ntarget = "late"\ntask = "binary"\nnumeric = ["n"]\n'


def rows(folder: Path, backfill: str, query: str = "") -> int:
    """How many of 366 days, one row each, a run would see."""
    asked = PROJECT.replace('files = "data/*.csv"', f'files = "data/*.csv"\n{query}')
    trigger = f'[[trigger]]\non = "new-data"\nbackfill = "{backfill}"\n'
    (folder / "trainshed.toml").write_text(asked + FEATURES + SPLIT + trigger)
    project = load_project(folder)
    found = windowed(project, project.trigger[0])
    with duckdb.connect() as con:
        con.execute("create table data as select timestamp '2028-01-01' + to_days(range::int) as day from range(366)")
        return len(con.execute(found.dataset.query or "from data").fetchall())


@pytest.mark.parametrize("query", ["", 'query = "select day from data -- all of them"'])
@pytest.mark.parametrize(("backfill", "count"), [("all", 366), ("last 6 months", 185), ("last 10 days", 11)])
def test_a_backfill_is_counted_back_from_the_newest_row(tmp_path: Path, backfill: str, count: int, query: str) -> None:
    assert rows(tmp_path, backfill, query) == count
