"""The run table as mlflow's client gives it: `python -m benchmarks.run_table_peers FOLDER`, where runs.jsonl lies.

The rows go straight into the tables of its SQLite store: what is timed is reading them. Its params are texts, which it
does not compare as numbers, so here they are metrics too.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import time
from pathlib import Path

ROUNDS = 5
FILTER = "attributes.status = 'FINISHED' and metrics.p0 > 0.5 and metrics.m1 < 0.9"


def _mlflow_ms(folder: Path) -> float:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("bench")
    runs, metrics = [], []
    for line in (folder / "runs.jsonl").read_text().splitlines():
        row = json.loads(line)
        run_id, status = f"{row.pop('id'):032x}", "FINISHED" if row.pop("status") == "done" else "FAILED"
        runs.append((run_id, run_id, "ana", status, 0, 1, "active", experiment, str(folder)))
        metrics += [(name, value, 0, 0, False, run_id) for name, value in row.items()]
    with sqlite3.connect(folder / "mlflow.db") as con:
        columns = "run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id, artifact_uri"
        con.executemany(f"insert into runs ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", runs)
        columns = "key, value, timestamp, step, is_nan, run_uuid"
        con.executemany(f"insert into latest_metrics ({columns}) values (?, ?, ?, ?, ?, ?)", metrics)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = client.search_runs([experiment], FILTER, order_by=["metrics.loss"], max_results=50)
        times.append((time.perf_counter() - start) * 1000)
        assert len(found) == 50
    return statistics.median(times)


if __name__ == "__main__":
    print(_mlflow_ms(Path(sys.argv[1])))
