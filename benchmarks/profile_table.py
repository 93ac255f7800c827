"""A profile of 10 million rows × 12 columns, 500 MB of Parquet: seconds, and the peak of resident memory.

Each reader is a process of its own, imports included, in turn, A B A B, the file in the page cache. The floor is one
DuckDB scan that sums the numbers. Peers: DuckDB's SUMMARIZE, polars' describe, pandas' describe.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import Row
from benchmarks.peers import ROOT, interpreter

ROUNDS = 3
NUMBERS = ("id", "f1", "f2", "f3", "f4", "i1", "i2", "label")
TABLE = """
select range as id, random() as f1, random() * 100 as f2, case when random() >= 0.05 then random() * random() end as f3,
    random() - random() as f4, (random() * 1e6)::bigint as i1, (random() * 100)::int as i2,
    'cat_' || (random() * 50)::int as c1, md5((random() * 2000000)::int::varchar)[:12] as c2,
    timestamp '2024-01-01' + to_seconds((random() * 3e7)::int) as ts, random() < 0.3 as b1,
    case when random() >= 0.2 then (random() * 10)::int end as label
from range(10000000)
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="profile-table-") as scratch:
        file = Path(scratch) / "table.parquet"
        _make(file)
        figures: dict[str, list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            for name in _READERS:
                if name not in _APART or interpreter(_APART[name]):
                    figures.setdefault(name, []).append(_in_a_process(name, file))
    medians = {name: tuple(map(statistics.median, zip(*each, strict=True))) for name, each in figures.items()}
    ours, floor = medians.pop("ours"), medians.pop("floor")
    goals = ("≤ 2.5 s where polars takes 2.1", "≤ 500 MB")
    whats = ("profile of 10 M rows × 12 columns", "its peak memory")
    return [
        Row(
            what=whats[i],
            ours=ours[i],
            floor=floor[i],
            peers={name: each[i] for name, each in medians.items()},
            goal=goals[i],
            unit=("s", "MiB")[i],
        )
        for i in (0, 1)
    ]


def _make(file: Path) -> None:
    import duckdb

    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        con.execute(f"copy ({TABLE}) to '{file}' (format parquet, compression zstd)")


def _in_a_process(name: str, file: Path) -> tuple[float, float]:
    python = interpreter(_APART[name]) if name in _APART else None
    command = [python or sys.executable, "-m", "benchmarks.profile_table", name, str(file)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    seconds, mebibytes = json.loads(told)
    return seconds, mebibytes


def _ours(file: str) -> None:
    from storage.frames import Source, connect
    from storage.profiles import profile

    path = Path(file)
    with connect({"table": [Source(path, path.name)]}) as con:
        assert len(profile(con, parquet=[path]).columns) == 12


def _floor(file: str) -> None:
    import duckdb

    duckdb.execute(f"select {', '.join(f'sum({name})' for name in NUMBERS)} from read_parquet('{file}')").fetchall()


def _duckdb(file: str) -> None:
    import duckdb

    duckdb.execute(f"summarize select * from read_parquet('{file}')").fetchall()


def _polars(file: str) -> None:
    polars = importlib.import_module("polars")
    polars.scan_parquet(file).describe()


def _pandas(file: str) -> None:
    pandas = importlib.import_module("pandas")
    pandas.read_parquet(file).describe(include="all")


_READERS: dict[str, Callable[[str], None]] = {
    "ours": _ours,
    "floor": _floor,
    "polars describe": _polars,
    "duckdb summarize": _duckdb,
    "pandas describe": _pandas,
}
_APART = {"polars describe": "polars", "pandas describe": "pandas"}


if __name__ == "__main__":
    if len(sys.argv) == 3:
        started = time.perf_counter()
        _READERS[sys.argv[1]](sys.argv[2])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([time.perf_counter() - started, peak]))
    else:
        from benchmarks.__main__ import main

        main(["profile_table"])
