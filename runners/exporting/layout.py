"""The folder that `trainshed export runs` writes: what its files are called and what their columns mean."""

from __future__ import annotations

FORMAT = "trainshed runs"
VERSION = 1
FORMS = ("parquet", "csv")
MANIFEST, README = "manifest.json", "README.md"
RUNS, METRICS = "runs", "metrics"  # with the form as their suffix

# Column → its type in DuckDB. Times are seconds since the epoch, UTC.
RUN_COLUMNS = {
    "run": "bigint",
    "origin": "varchar",
    "name": "varchar",
    "project": "varchar",
    "user": "varchar",
    "host": "varchar",
    "kind": "varchar",
    "status": "varchar",
    "reason": "varchar",
    "created_at": "double",
    "started_at": "double",
    "ended_at": "double",
    "commit": "varchar",
    "branch": "varchar",
    "dirty": "boolean",
    "seed": "bigint",
    "dataset": "varchar",
    "params": "varchar",
    "metrics": "varchar",
    "tags": "varchar",
    "notes": "varchar",
}
METRIC_COLUMNS = {
    "run": "bigint",
    "name": "varchar",
    "step": "bigint",
    "time": "double",
    "epoch": "double",
    "value": "double",
}

ABOUT = """\
# Runs of trainshed

`{runs}` has a row a run, `{metrics}` a row a point of a metric; `run` is the same number in both.

| column of {runs} | |
|---|---|
| `origin` | names the run wherever it is: imported twice, it is there once |
| `created_at`, `started_at`, `ended_at` | seconds since 1970, UTC |
| `commit`, `branch`, `dirty`, `seed`, `dataset` | what it ran on |
| `params`, `metrics` | JSON objects: what it was given, and what each metric came to in the end |
| `tags`, `notes` | JSON lists; a note has `at`, `user`, `text` |

| column of {metrics} | |
|---|---|
| `name`, `step`, `value` | which metric was what, when; a value may be NaN or infinite |
| `time` | seconds since 1970, UTC |
| `epoch` | where the run logged the metric `epoch` |

For example, with DuckDB: `select name, params->>'lr' as lr, metrics->>'test/auroc' from '{runs}'`.
`trainshed import DIR` takes them into another shed. Code, logs, models and checkpoints are not here.
"""
