"""What a trained ONNX file says of the test rows by itself, for a comparison with the package that was made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from runners.features.encoding import Encoding
from runners.features.matrix import Array
from runners.packaging.scoring import ELEMENTS, Feeds, batches, chunks, run_once, session_of
from runners.packaging.signature import Signature
from runners.packaging.trained import inputs_of, what_it_gives, what_it_takes
from storage.project import Task


def raw_outputs(
    trained: Path,
    encoding: Encoding | None,
    task: Task,
    signature: Signature,
    rows: Path | Array,
    encoded: Array,
) -> Array:
    """Run `trained` on the test rows: on `encoded`, or for a model of raw columns on those of the Parquet file `rows`.

    Args:
        signature: the package's, which has the same raw columns.

    Returns:
        The output that holds the prediction, as the file gives it, rows first.

    Raises:
        RunFailed: it cannot be run, or does not fit.
    """
    model = onnx.load(trained)
    output = what_it_gives(model, task, list(signature.classes)).name
    if isinstance(rows, Path) and what_it_takes(model, encoding) == "columns":
        feeds: Iterator[Feeds] = (batch for chunk in chunks(rows, signature) for batch in batches(chunk))
    else:
        feeds = _tensor_feeds(model, encoded)
    session = session_of(trained)
    return np.concatenate([run_once(session, output, batch) for batch in feeds])


def _tensor_feeds(model: onnx.ModelProto, encoded: Array) -> Iterator[Feeds]:
    (given,) = inputs_of(model.graph)
    kind = ELEMENTS[onnx.TensorProto.DataType.Name(given.type.tensor_type.elem_type)]
    for batch in batches({given.name: encoded}):
        yield {given.name: np.asarray(batch[given.name]).astype(kind, copy=False)}
