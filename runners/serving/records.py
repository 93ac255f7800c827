"""Records that fit a model: rows of its own dataset, or where none is left, plain ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from runners.packaging.signature import Input, Signature


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


def sampled(rows: Path, signature: Signature, count: int, *, seed: int | None = None) -> list[dict[str, Any]]:
    """The first records of a Parquet file, or with a seed some from all over it; without those a model cannot take."""
    from storage.columns import identifier, literal
    from storage.memory import in_memory

    kinds = {"STRING": "varchar", "INT64": "bigint", "INT32": "integer", "BOOL": "boolean"}
    columns = ", ".join(
        f"cast({identifier(given.name)} as {kinds.get(given.onnx, 'double')})" for given in signature.inputs
    )
    with in_memory(threads=1) as con:
        some = f"limit {count}" if seed is None else f"using sample reservoir({count} rows) repeatable ({seed})"
        found = con.execute(f"select {columns} from read_parquet({literal(str(rows))}) {some}").fetchall()
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
