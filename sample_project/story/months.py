"""The months of the story: their files, the flights that a client asks for, and how well a model foretold them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import duckdb
from sklearn.metrics import roc_auc_score

from sample_project.story.terminal import Terminal

SAMPLE = Path(__file__).parents[1]
ASKED = 5_000  # flights of a month that the client asks for, one after the other
NAMES = ["", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
         "November", "December"]  # fmt: skip


def name(month: int) -> str:
    return NAMES[month]


def files(month: int) -> list[Path]:
    """The month's files in the sample project: the weather, the flights."""
    places = [SAMPLE / folder / f"{table}-2013-{month:02}.parquet" for table in TABLES for folder in ("data", "drops")]
    return [path for path in places if path.exists()]


TABLES = ("weather", "flights")


def write_rows(months: list[int], folder: Path) -> None:
    """What the project's query makes of each month: `MONTH.parquet` whole, `MONTH.jsonl` what the client asks."""
    spec = tomllib.loads((SAMPLE / "trainshed.toml").read_text())
    inputs = [*spec["features"]["numeric"], *spec["features"]["categorical"]]
    with duckdb.connect() as con:
        for table in TABLES:
            every = sorted(str(path) for path in SAMPLE.glob(f"*/{table}-*.parquet"))
            con.execute(f"create view {table} as select * from read_parquet({every})")
        con.execute(f"create table rows as {spec['dataset']['query']}")
        for month in months:
            path = folder / f"{month}.parquet"
            con.execute(
                f"""copy (
                  select rows.* from rows
                  semi join (select * from flights where month = {month}) using (origin, carrier, flight, time_hour)
                  where late is not null order by time_hour
                ) to '{path}' (format parquet)"""
            )
            _for_client(con, path, inputs)


def auroc(terminal: Terminal, model: str, folder: Path, month: int) -> float:
    """How often the model gave a late flight of the month a higher probability than a punctual one."""
    scored = folder / f"{month}-by-{model.partition('@')[2]}.parquet"
    terminal.type(
        "predict", model, "--input", folder / f"{month}.parquet", "--output", scored, "--keep", "late", quietly=True
    )
    with duckdb.connect() as con:
        found = con.execute(f"select late, probability from read_parquet('{scored}')").fetchnumpy()
    return float(roc_auc_score(found["late"], found["probability"]))


def _for_client(con: duckdb.DuckDBPyConnection, path: Path, inputs: list[str]) -> None:
    """Some of the month's flights as lines of JSON, in the order in which they leave."""
    listed = ", ".join(f'"{column}"' for column in inputs)
    query = f"select {listed}, late from read_parquet('{path}') using sample reservoir({ASKED} rows) repeatable (1)"
    rows = con.execute(f"select * from ({query})").fetchall()
    with path.with_suffix(".jsonl").open("w") as file:
        for *values, late in rows:
            record: dict[str, Any] = dict(zip(inputs, values, strict=True))
            file.write(json.dumps({"inputs": record, "truth": late}) + "\n")
