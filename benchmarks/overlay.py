"""One metric of 50 runs × 20,000 points, into memory: what a chart with 50 lines reads.

The floor is numpy over files of 24-byte records, nothing else around it. Peers: DuckDB over one Parquet file a run, in
turn, A B A B, in the same process; TensorBoard's event accumulator and trackio's client after that, each in a process
of its own (mlflow, which takes a quarter of an hour to write a million points, was ten times slower to read than
trackio). Files in the page cache.
"""

from __future__ import annotations

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from benchmarks import Row
from benchmarks.overlay_peers import PEERS, POINTS, RUNS, values
from benchmarks.peers import ROOT, interpreter
from runners.userside.series import Writer
from storage import metrics

ROUNDS = 9
RECORD = np.dtype([("time", "<f8"), ("step", "<u4"), ("metric", "<u4"), ("value", "<f8")])
Read = Callable[[], int]


def measure() -> list[Row]:
    rows = []
    for together, name in ((1, "loss"), (10, "m3")):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            readers = {"ours": _ours(place, together, name), "floor": _floor(place, together)}
            if together == 1:
                readers["duckdb"] = _duckdb(place)
            medians = _in_turn(readers)
            if together == 1:
                medians |= {peer: _in_a_process(peer, place) for peer in PEERS if interpreter(peer)}
        ours, floor = medians.pop("ours"), medians.pop("floor")
        what = "overlay of 50 runs × 20,000 points" + (f", {together} metrics logged together" if together > 1 else "")
        goal = "≤ 2× floor; ≥ 50× the best tracker's client"
        rows.append(Row(what=what, ours=ours, floor=floor, peers=medians, goal=goal, unit="ms"))
    return rows


def _in_turn(readers: dict[str, Read]) -> dict[str, float]:
    """Median milliseconds of each reader."""
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, read in readers.items():
            start = time.perf_counter()
            assert read() == RUNS * POINTS
            times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(figures) for name, figures in times.items()}


def _ours(place: Path, together: int, name: str) -> Read:
    names = ["loss"] if together == 1 else [f"m{number}" for number in range(together)]
    for run in range(RUNS):
        writer = Writer(str(place / f"run{run}"))
        for step, value in enumerate(values(run)):
            writer.log(dict.fromkeys(names, value), step)
        writer.close()
    return lambda: sum(len(metrics.read(place / f"run{run}", name)) for run in range(RUNS))


def _floor(place: Path, together: int) -> Read:
    pack = struct.Struct("<dIId").pack
    files = [place / f"run{run}.bin" for run in range(RUNS)]
    for run, file in enumerate(files):
        points = ((step, metric, value) for step, value in enumerate(values(run)) for metric in range(together))
        file.write_bytes(b"".join(pack(1.0 + step, step, metric, value) for step, metric, value in points))

    def read() -> int:
        count = 0
        for file in files:
            records = np.fromfile(file, RECORD)
            records = records[records["metric"] == 0]
            count += len((records["step"].copy(), records["value"].copy())[1])
        return count

    return read


def _duckdb(place: Path) -> Read:
    con = duckdb.connect()
    for run in range(RUNS):
        con.execute(
            f"copy (select range::int as step, 'loss' as name, random() as value from range({POINTS})) "
            f"to '{place}/run{run}.parquet' (format parquet)"
        )
    query = (
        f"select filename, step, value from read_parquet('{place}/*.parquet', filename = true) "
        "where name = 'loss' order by filename, step"
    )
    return lambda: len(con.execute(query).fetchnumpy()["value"])


def _in_a_process(peer: str, place: Path) -> float:
    """Median milliseconds of a tracker, which writes its points below `place` first."""
    command = [interpreter(peer) or sys.executable, "-m", "benchmarks.overlay_peers", peer, str(place)]
    told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(told.stdout.splitlines()[-1])


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
