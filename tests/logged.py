"""A served model with everything behind it, and a prediction log, written as an endpoint writes them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from storage.columns import literal
from storage.shed import Shed
from storage.tables import ModelVersion
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from storage.write import runs as write_runs
from tests.scenes import run_of
from tests.served import SIGNATURE, model_bytes, probability

TOML = """\
[project]
name = "delays"
[dataset]
name = "flights"
files = "data/*.parquet"
[features]
target = "late"
task = "binary"
numeric = ["distance"]
categorical = ["carrier", "day"]
[train]
entry = "m:f"
[gate]
metric = "auroc"
slices = ["carrier"]
"""

Record = dict[str, Any]


def records(count: int, *, seed: int = 0, farther: float = 0.0, carrier: float = 0.5) -> list[Record]:
    """Flights; some share of them of AA, and so much farther than usual."""
    random = np.random.default_rng(seed)
    return [
        {
            "distance": float(random.gamma(2, 400) + farther),
            "carrier": "AA" if random.random() < carrier else "UA",
            "day": int(random.integers(1, 4)),
        }
        for _ in range(count)
    ]


def truths(rows: list[Record], *, seed: int = 0, bias: float = -2.0) -> list[bool]:
    """What became of them: as likely as the model says."""
    random = np.random.default_rng(seed + 1)
    return [bool(random.random() < probability(row, bias)) for row in rows]


def trained(shed: Shed, folder: Path, *, bias: float = -2.0, rows: int = 1000) -> ModelVersion:
    """A version in production of the project in `folder`, with what `prepare` and `evaluate` left."""
    from storage.project import load_project

    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "trainshed.toml").write_text(TOML)
    spec = load_project(folder).model_dump(mode="json", by_alias=True)
    run = run_of(shed, "delays", project_dir=str(folder), spec=spec)
    assert run.id is not None
    _stage(shed, run.id, "prepare", {})
    prepared = shed.stage_dir("prepare-key")
    write_parquet(prepared / "train.parquet", records(rows, seed=1), bias=bias)
    held = records(rows, seed=2)
    late = write_parquet(prepared / "test.parquet", held, bias=bias)
    (prepared / "test").mkdir()
    np.save(prepared / "test" / "y.npy", np.array(late, np.float32))
    _stage(shed, run.id, "evaluate", {})
    said = np.array([probability(row, bias) for row in held], np.float32)
    np.save(shed.stage_dir("evaluate-key") / "prediction.npy", said)
    new = write_models.NewModelVersion(
        digest=shed.objects.put_bytes(model_bytes(bias)), run_id=run.id, dataset_version_id=None, task="binary",
        signature=SIGNATURE,
    )  # fmt: skip
    version, _ = write_models.register(shed, "delays", new)
    write_models.promote(shed, version.id or 0, override="a test")
    return version


def _stage(shed: Shed, run_id: int, name: str, facts: dict[str, Any]) -> None:
    key = f"{name}-key"
    shed.make_dir(shed.stage_dir(key))
    write_runs.set_stage(shed, run_id, name, status="done", key=key, facts=facts)


def write_parquet(path: Path, rows: list[Record], *, bias: float = -2.0) -> list[bool]:
    """The rows with what became of them; returns the latter."""
    late = truths(rows, seed=len(rows), bias=bias)
    table = [{**row, "late": was} for row, was in zip(rows, late, strict=True)]
    lines = path.with_suffix(".jsonl")
    lines.write_text("\n".join(map(json.dumps, table)) + "\n")
    with duckdb.connect() as con:
        con.execute(f"copy (from read_json({literal(str(lines))})) to {literal(str(path))} (format parquet)")
    lines.unlink()
    return late


def endpoint(shed: Shed, version: ModelVersion, **settings: Any) -> Path:
    """An endpoint as it was asked for, which does not run; returns where its log is."""
    write_endpoints.want(shed, "delays", "delays", "production", 8123, settings)
    shed.make_dir(shed.endpoint_dir("delays"))
    return shed.make_dir(shed.endpoint_dir("delays") / "log")


def log(
    folder: Path,
    version: ModelVersion,
    rows: list[Record],
    *,
    bias: float = -2.0,
    known: list[bool] | None = None,
    ago_s: float = 600.0,
) -> None:
    """Lines of the log: `rows` asked one by one, from so long ago until now; and what became of them, where known."""
    now, number = time.time(), len(list(folder.glob("p-*")))
    lines, told = [], []
    for place, row in enumerate(rows):
        request = f"{number:04x}{place:020x}"
        at = now - ago_s * (1 - place / len(rows))
        head = {"id": request, "at": at, "ms": 1.0 + place % 5, "version": version.number, "digest": version.digest}
        said = [{"probability": probability(row, bias)}]
        lines.append(json.dumps({**head, "route": "production", "out": said, "rows": [row]}))
        if known is not None:
            told.append(json.dumps({"id": request, "row": 0, "truth": known[place], "at": now}))
    (folder / f"p-{time.time_ns()}-1.jsonl").write_text("\n".join(lines) + "\n")
    if told:
        (folder / f"t-{time.time_ns()}-1.jsonl").write_text("\n".join(told) + "\n")
