"""One metric of 50 runs × 20,000 points, into memory: what a chart with 50 lines reads.

The floor is numpy over files of 24-byte records, nothing else around it. Peers: DuckDB over one Parquet file a run,
TensorBoard's event accumulator and trackio's client, each where installed (mlflow, which takes a quarter of an hour to
write a million points, was ten times slower to read than trackio). One process, in turn, A B A B, files in the page
cache.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from benchmarks import Row
from runners.userside.series import Writer
from storage import metrics

RUNS, POINTS = 50, 20_000
ROUNDS = 9
SLOW_ROUNDS = 2  # a peer that takes seconds
RECORD = np.dtype([("time", "<f8"), ("step", "<u4"), ("metric", "<u4"), ("value", "<f8")])
Read = Callable[[], int]


def measure() -> list[Row]:
    rows = []
    for together, name in ((1, "loss"), (10, "m3")):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            readers = {"ours": _ours(place, together, name), "floor": _floor(place, together)}
            if together == 1:
                readers |= {peer: make(place) for peer, make in _PEERS.items() if importlib.util.find_spec(peer)}
            medians = _in_turn(readers)
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
            if len(times[name]) < SLOW_ROUNDS or times[name][0] < 1000:
                start = time.perf_counter()
                assert read() == RUNS * POINTS
                times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(figures) for name, figures in times.items()}


def _values(seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.random() for _ in range(POINTS)]


def _ours(place: Path, together: int, name: str) -> Read:
    names = ["loss"] if together == 1 else [f"m{number}" for number in range(together)]
    for run in range(RUNS):
        writer = Writer(str(place / f"run{run}"))
        for step, value in enumerate(_values(run)):
            writer.log(dict.fromkeys(names, value), step)
        writer.close()
    return lambda: sum(len(metrics.read(place / f"run{run}", name)) for run in range(RUNS))


def _floor(place: Path, together: int) -> Read:
    pack = struct.Struct("<dIId").pack
    files = [place / f"run{run}.bin" for run in range(RUNS)]
    for run, file in enumerate(files):
        points = ((step, metric, value) for step, value in enumerate(_values(run)) for metric in range(together))
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


def _tensorboard(place: Path) -> Read:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    folders = [place / f"tensorboard{run}" for run in range(RUNS)]
    for run, folder in enumerate(folders):
        writer = SummaryWriter(str(folder))
        for step, value in enumerate(_values(run)):
            writer.add_scalar("loss", value, step)
        writer.close()

    def read() -> int:
        count = 0
        for folder in folders:
            events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
            events.Reload()
            count += len([(event.step, event.value) for event in events.Scalars("loss")])
        return count

    return read


def _trackio(place: Path) -> Read:
    os.environ["TRACKIO_DIR"] = str(place)
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    for run in range(RUNS):
        SQLiteStorage.bulk_log("bench", f"run{run}", [{"loss": value} for value in _values(run)], run_id=f"id{run}")

    def read() -> int:
        runs = trackio.Api().runs("bench")
        return sum(len(SQLiteStorage.get_logs("bench", run.name, run_id=run.id)) for run in runs)

    return read


_PEERS = {"duckdb": _duckdb, "tensorboard": _tensorboard, "trackio": _trackio}


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
