"""Two versions of the model `delays` over rows that were held out: v1 in production, v2 that is late more readily."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from storage.memory import in_memory
from storage.shed import Shed
from storage.tables import ModelVersion, Run
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from storage.write import runs as write_runs
from tests.scenes import run_of
from tests.served import SIGNATURE, model_bytes

ROWS: dict[str, list[object]] = {
    "airport": ["EWR", "EWR", "EWR", "JFK", "JFK", "LGA"],
    "distance": [100.0, 800.0, 2000.0, 1900.0, 3000.0, 0.0],
    "carrier": ["B6"] * 6,  # the model knows none, so it adds nothing
    "day": [0] * 6,
}
LATE = [0, 1, 1, 0, 1, 0]


def rivals(shed: Shed) -> tuple[ModelVersion, ModelVersion]:
    """v1 says late from 1,000 miles on, v2 from 400 on: it flips one row of EWR, rightly.

    v2's run held `ROWS` out, with the truth `LATE`; its gate slices them by airport.
    """
    first = rival(shed, run_of(shed, "delays"), bias=-1.0)
    write_models.promote(shed, first.id or 0, override="it is the first")
    run = run_of(shed, "delays", spec={"gate": {"slices": ["airport"], "min_slice_rows": 2}})
    hold_out(shed, run, ROWS, LATE)
    return first, rival(shed, run, bias=-0.4)


def rival(shed: Shed, run: Run, *, bias: float) -> ModelVersion:
    """A version that says late where distance / 1000 + bias > 0."""
    new = write_models.NewModelVersion(
        digest=shed.objects.put_bytes(model_bytes(bias)),
        run_id=run.id or 0,
        dataset_version_id=None,
        task="binary",
        signature=SIGNATURE,
    )
    return write_models.register(shed, "delays", new)[0]


def hold_out(shed: Shed, run: Run, rows: dict[str, list[object]], truth: Sequence[int]) -> None:
    """Leave test rows behind as `prepare` does."""
    folder = shed.stage_dir(f"prepare-{run.id}")
    (folder / "test").mkdir(parents=True)
    np.save(folder / "test" / "y.npy", np.array(truth, np.float32))
    told = {**rows, "late": [bool(each) for each in truth]}
    with in_memory() as con:
        columns = ", ".join(f"unnest(?) as {name}" for name in told)
        con.execute(f"create table told as select {columns}", list(told.values()))
        con.execute(f"copy told to '{folder / 'test.parquet'}' (format parquet)")
    write_runs.set_stage(shed, run.id or 0, "prepare", status="done", key=folder.name)


def serve(shed: Shed, version: ModelVersion, records: Sequence[dict[str, object]], truth: dict[int, object]) -> None:
    """Leave the log of an endpoint `delays` that was asked these records; `truth` is what became of some."""
    write_endpoints.want(shed, "delays", "delays", "production", 8123, {})
    log = shed.make_dir(shed.make_dir(shed.endpoint_dir("delays")) / "log")
    head = {"ms": 1.0, "version": version.number, "digest": version.digest, "route": "production"}
    lines = [
        {"id": f"{place:024x}", "at": 1e9 + place, **head, "out": [{"probability": 0.5}], "rows": [record]}
        for place, record in enumerate(records)
    ]
    known = [{"id": f"{place:024x}", "row": 0, "truth": told, "at": 1e9} for place, told in truth.items()]
    for kind, told in (("p", lines), ("t", known)):
        (log / f"{kind}-1-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
