"""10,000 runs with 10 params and 5 last metrics: filtered, sorted, the first page of 50.

The floor is DuckDB over one Parquet file of the same rows, already open; the peer is mlflow's client, in a process of
its own, over SQLite.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from sqlalchemy import insert

from benchmarks import Row
from benchmarks.peers import ROOT, interpreter
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from storage.tables import Run, RunMetric, RunParam

RUNS = 10_000
REPEATS = 15


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        shed, parquet = fill(Path(folder))
        con = duckdb.connect()
        query = f"""select * from read_parquet('{parquet}') where status = 'done' and p0 > 0.5 and m1 < 0.9
                    order by loss limit 50"""
        ours, floor = _in_turn(
            lambda: len(read_runs.page(shed, "status=done p0>0.5 m1<0.9", sort="loss", limit=50)),
            lambda: len(con.execute(query).fetchall()),
        )
        newest, plain_floor = _in_turn(
            lambda: len(read_runs.page(shed, limit=50)),
            lambda: len(con.execute(f"select * from read_parquet('{parquet}') order by id desc limit 50").fetchall()),
        )
        python = interpreter("mlflow")
        peers = {"mlflow": _in_a_process(python, Path(folder))} if python else {}
        counted = read_runs.count(shed, "status=done p0>0.5 m1<0.9")
        row = con.execute(f"select count(*) from ({query.replace('limit 50', '')})").fetchone()
        assert row is not None
        assert counted == row[0], "both must see the same runs"
    goal = "≤ 10 ms"
    return [
        Row(
            what="10,000 runs: 3 filters, sort by a metric, page 1",
            ours=ours,
            floor=floor,
            peers=peers,
            goal=goal,
            unit="ms",
        ),
        Row(what="10,000 runs: newest 50", ours=newest, floor=plain_floor, peers={}, goal=goal, unit="ms"),
    ]


def _in_a_process(python: str, folder: Path) -> float:
    """Median milliseconds of the same page from mlflow."""
    command = [python, "-m", "benchmarks.run_table_peers", str(folder)]
    told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(told.stdout.splitlines()[-1])


def fill(folder: Path) -> tuple[Shed, Path]:
    """Rows go straight into the tables: what is timed is reading them."""
    shed, rng = open_shed(folder / "shed"), random.Random(7)
    runs, params, metrics, flat = [], [], [], []
    for number in range(1, RUNS + 1):
        status = rng.choice(["done", "done", "failed"])
        given = {f"p{k}": rng.random() for k in range(10)}
        got = {("loss" if k == 0 else f"m{k}"): rng.random() for k in range(5)}
        runs.append(
            {
                "id": number,
                "name": f"run-{number}",
                "project": "bench",
                "project_dir": "/p",
                "status": status,
                "user": "ana",
                "host": "box",
                "created_at": float(number),
                "attempt": 1,
                "identity": str(number),
                "code": "c",
                "dirty": False,
                "seed": 0,
                "spec": {},
                "snapshot": {},
                "supervisor": {},
                "progress_text": "",
                "reason": "",
            }
        )
        params += [{"run_id": number, "name": k, "text": repr(v), "number": v} for k, v in given.items()]
        metrics += [
            {"run_id": number, "name": k, "last": v, "lowest": v, "highest": v, "count": 1} for k, v in got.items()
        ]
        flat.append({"id": number, "status": status, **given, **got})
    with shed.writing("filled", "benchmark") as write:
        for table, rows in ((Run, runs), (RunParam, params), (RunMetric, metrics)):
            write.session.execute(insert(table), rows)
    (folder / "runs.jsonl").write_text("\n".join(map(json.dumps, flat)))
    duckdb.execute(f"copy (from read_json('{folder}/runs.jsonl')) to '{folder}/runs.parquet' (format parquet)")
    return shed, folder / "runs.parquet"


def _in_turn(ours: Callable[[], int], floor: Callable[[], int]) -> tuple[float, float]:
    """Medians in milliseconds of the two, timed A B A B."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for kept, call in zip(times, (ours, floor), strict=True):
            began = time.perf_counter()
            assert call() == 50
            kept.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
