"""A version is tried before it serves: `python -m runners.serving.trial`, a process of its own.

What crashes or hangs while it is loaded takes only this process with it. Reads a `Version` as JSON on stdin, and tells
on stdout whether it may serve, with a record of its dataset as the example.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners.packaging.signature import Input, Signature
from runners.serving.session import Loaded, Version, finite
from storage.errors import RunFailed, TrainshedError

SAMPLES = 64


def tried(version: Version, rows: Path | None, *, threads: int, device: str) -> dict[str, Any]:
    """Load, warm and check a version. Returns its example and what one row costs.

    Raises:
        RunFailed: when it may not serve.
    """
    signature = Signature.from_json(version.signature)
    samples = _samples(rows, signature) if rows is not None and rows.exists() else []
    samples = samples or [plain_record(signature)]
    loaded = Loaded(replace(version, example=samples[0]), threads=threads, device=device)
    outputs = loaded.warm(samples)
    if any(len(values) != len(samples) for values in outputs):
        raise RunFailed(f"the model gives another number of rows than the {len(samples)} that it got")
    if not finite(outputs):
        raise RunFailed("the model answers NaN or infinity on rows of its own dataset")
    return {"example": samples[0], "row_ms": loaded.seconds * 1000}


def plain_record(signature: Signature) -> dict[str, Any]:
    """A record that fits a signature, where no row of the dataset is left."""
    return {given.name: _plain_value(given) for given in signature.inputs}


def _plain_value(given: Input) -> Any:
    if isinstance(given.categories, tuple) and given.categories:
        return given.categories[0]
    if given.onnx == "STRING":
        return ""
    value: Any = 0 if given.onnx.startswith("INT") else False if given.onnx == "BOOL" else 0.0
    if len(given.shape) <= 2 and given.shape[1:] in ((), (1,)):
        return value
    for size in reversed(given.shape[1:]):
        value = [value] * (size if isinstance(size, int) else 1)
    return value


def _samples(rows: Path, signature: Signature) -> list[dict[str, Any]]:
    from storage.columns import identifier, literal
    from storage.memory import in_memory

    kinds = {"STRING": "varchar", "INT64": "bigint", "INT32": "integer", "BOOL": "boolean"}
    columns = ", ".join(
        f"cast({identifier(given.name)} as {kinds.get(given.onnx, 'double')})" for given in signature.inputs
    )
    with in_memory(threads=1) as con:
        found = con.execute(f"select {columns} from read_parquet({literal(str(rows))}) limit {SAMPLES}").fetchall()
    records = [
        {given.name: _json(value, given) for given, value in zip(signature.inputs, row, strict=True)} for row in found
    ]
    return [
        record for record in records if all(record[g.name] is not None or g.null != "refused" for g in signature.inputs)
    ]


def _json(value: Any, given: Input) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if given.type == "integer" and value.is_integer() else value
    return value


def main() -> int:
    given = json.load(sys.stdin)
    rows = Path(given["rows"]) if given["rows"] else None
    try:
        found = tried(Version(**given["version"]), rows, threads=given["threads"], device=given["device"])
    except (TrainshedError, OSError) as err:
        print(json.dumps({"refused": str(err)}))
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
