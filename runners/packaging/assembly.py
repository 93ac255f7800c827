"""A trained model → the packaged one: built, checked against the trained module on real rows, timed, written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from blake3 import blake3

from runners.features.encoding import Encoding
from runners.features.matrix import Array
from runners.packaging.graph import build
from runners.packaging.scoring import Feeds, Scorer, feeds_from
from runners.packaging.signature import signature_of
from runners.packaging.unpackaged import raw_outputs
from storage.columns import literal
from storage.errors import RunFailed
from storage.memory import in_memory
from storage.project import Task

LATENCY_ROWS = 8192


@dataclass(frozen=True)
class Parity:
    """The largest difference between packaged and trained predictions, and the row that has it.

    `difference` is absolute for probabilities, for regression divided by max(1, |trained|); infinite where either is
    not finite. `packaged` and `trained` are the values at `row` (for multiclass: of the class that differs most).
    """

    difference: float
    rows: int
    row: int
    packaged: float
    trained: float


def package_model(
    trained: Path,
    encoding: Encoding | None,
    task: Task,
    classes: Sequence[str],
    rows: Path | Array,
    out: Path,
    *,
    reference: Path | None,
    encoded: Path | None = None,
    parity_limit: float,
) -> dict[str, Any]:
    """Package `trained` into `out/model.onnx` and `out/signature.json`.

    Args:
        rows: the test rows: a Parquet file of raw columns, or for a files project the array x (or its .npy file).
        reference: .npy with what the trained module gave for the same rows, before any activation that the package
            adds; None when nobody ran it.
        encoded: .npy of the same rows as the model's matrix or tensor. Without a reference the trained file itself is
            run on them, or on the raw columns that it takes.

    Returns:
        digest (blake3 of model.onnx), bytes, output_kind (logits, probabilities or values: what the trained model
        gives), parity and parity_rows (None and 0 with neither reference nor encoded), latency.

    Raises:
        RunFailed: the model cannot be packaged, or differs by more than `parity_limit`, with the worst row.
    """
    try:
        given = onnx.load(trained)
    except Exception as err:  # protobuf's and onnx's own, a missing weights file
        reason = str(err).strip().partition("\n")[0]
        raise RunFailed(f"cannot read the trained model: {reason}", place=trained.name) from err
    model = build(encoding, given, task, classes)
    signature = signature_of(model, encoding, task, classes)
    contents = model.SerializeToString(deterministic=True)
    (out / "model.onnx").write_bytes(contents)
    signature.write(out / "signature.json")

    scorer = Scorer(out / "model.onnx", signature)
    if isinstance(rows, Path) and rows.suffix == ".npy":
        rows = np.load(rows, mmap_mode="r")
    said = np.load(reference, mmap_mode="r") if reference else None
    if said is None and encoded is not None:
        said = raw_outputs(trained, encoding, task, signature, rows, np.load(encoded, mmap_mode="r"))
    found = None if said is None else parity(scorer, rows, said, task)
    if found and not found.difference <= parity_limit:
        raise RunFailed(
            f"the packaged model differs from the trained one by {found.difference:.3g} in row {found.row} of"
            f" {found.rows}: packaged {found.packaged!r}, trained {found.trained!r}",
            expected=f"a difference of at most {parity_limit:g} ([gate] parity)",
            todo="export the model in eval mode, and let its forward pass depend on nothing but its input",
        )
    return {
        "digest": blake3(contents).hexdigest(),
        "bytes": len(contents),
        "output_kind": scorer.gives,
        "parity": found.difference if found else None,
        "parity_rows": found.rows if found else 0,
        "latency": scorer.latency(_some(scorer, rows)),
    }


def _some(scorer: Scorer, rows: Path | Array) -> Feeds:
    """Enough real rows to time."""
    if not isinstance(rows, Path):
        return {scorer.signature.inputs[0].name: np.asarray(rows[:LATENCY_ROWS], dtype=np.float32)}
    with in_memory(threads=1) as con:
        few = f"select * from read_parquet({literal(str(rows))}) limit {LATENCY_ROWS}"
        return feeds_from(con, few, scorer.signature)


def parity(scorer: Scorer, rows: Path | Array, raw: Array, task: Task) -> Parity:
    """Compare the packaged model's predictions of `rows` with `raw`, the trained module's own outputs for them.

    Raises:
        RunFailed: they are not the same number of rows.
    """
    if isinstance(rows, Path):
        packaged = scorer.predict_parquet(rows)
    else:
        packaged = scorer.predict_arrays({scorer.signature.inputs[0].name: rows})
    trained = predictions_of(raw, task, activated=scorer.gives != "logits")
    if packaged.shape != trained.shape:
        raise RunFailed(
            f"the reference predictions have the shape {list(trained.shape)}", expected=f"{list(packaged.shape)}"
        )
    scale = np.maximum(1.0, np.abs(trained)) if task == "regression" else 1.0
    with np.errstate(invalid="ignore"):
        difference = np.abs(packaged.astype(np.float64) - trained) / scale
    difference[~np.isfinite(difference)] = np.inf
    worst = np.unravel_index(int(difference.argmax()), difference.shape)
    return Parity(float(difference[worst]), len(trained), int(worst[0]), float(packaged[worst]), float(trained[worst]))


def predictions_of(raw: Array, task: Task, *, activated: bool) -> npt.NDArray[np.float64]:
    """What a module's raw outputs mean: probability [n], probabilities [n, k] or values [n].

    Args:
        activated: binary and multiclass outputs are probabilities already, for binary [n], [n, 1] or [n, 2].
    """
    values = np.asarray(raw, dtype=np.float64)
    if task == "multiclass":
        return values if activated else _softmax(values)
    if activated and task == "binary" and values.ndim == 2 and values.shape[1] == 2:
        return values[:, 1]
    values = values.reshape(-1)
    return values if activated or task == "regression" else _sigmoid(values)


def _sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
