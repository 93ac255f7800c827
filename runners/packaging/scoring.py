"""Raw rows → predictions: a packaged model under onnxruntime."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from runners.features.encoding import NULL_INTEGER
from runners.features.matrix import Array, read_chunks
from runners.packaging.graph import GIVES
from runners.packaging.signature import Input, Signature
from storage.columns import column_types, identifier, literal, missing_column
from storage.errors import DataInvalid, RunFailed
from storage.memory import in_memory

BATCH_ROWS = 8192
BATCH_BYTES = 16 * 2**20  # images: fewer rows a batch
WARM_UP, ROUNDS, LATENCY_SECONDS = 20, 3, 5.0
ELEMENTS: Mapping[str, Any] = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "FLOAT16": np.float16,
    "INT64": np.int64,
    "STRING": np.object_,
}

Feeds = dict[str, Array]


class Scorer:
    """One loaded model: one onnxruntime session on the CPU, used for every batch.

    Raises:
        RunFailed: onnxruntime cannot load the file.
    """

    def __init__(self, path: Path, signature: Signature, *, threads: int = 1) -> None:
        self.session = session_of(path, threads=threads)
        self.signature = signature
        self.gives = self.session.get_modelmeta().custom_metadata_map.get(GIVES, "")
        self.threads = threads

    def predict_arrays(self, feeds: Feeds) -> npt.NDArray[np.float32]:
        """Predict all rows of `feeds` (input name → array, rows first), a batch at a time.

        Returns:
            probability of the positive class [n], probabilities [n, k], or prediction [n].

        Raises:
            RunFailed: onnxruntime fails, or the model gives another number of rows than it got.
        """
        predictions, done = self._empty(_rows(feeds)), 0
        for batch in batches(feeds):
            found, place = self._run(batch), slice(done, done + _rows(batch))
            if found.shape != predictions[place].shape:
                raise RunFailed(
                    f"the model gives {self.signature.prediction} of shape {list(found.shape)}",
                    expected=f"{list(predictions[place].shape)} for {_rows(batch)} rows",
                )
            predictions[place] = found
            done = place.stop
        return predictions

    def predict_parquet(self, rows: Path) -> npt.NDArray[np.float32]:
        """Predict the rows of a Parquet file from its raw columns, in the file's order; as `predict_arrays`.

        Raises:
            DataInvalid: a column is missing, or its values do not fit the signature.
        """
        parts = [self.predict_arrays(feeds) for feeds in chunks(rows, self.signature, threads=self.threads)]
        return np.concatenate(parts) if parts else self._empty(0)

    def _empty(self, n: int) -> npt.NDArray[np.float32]:
        multiclass = self.signature.task == "multiclass"
        return np.empty((n, len(self.signature.classes)) if multiclass else (n,), dtype=np.float32)

    def latency(self, feeds: Feeds, *, n: int = 200) -> dict[str, float]:
        """Time `n` single rows (fewer if the model is slow), taken evenly from `feeds`, and whole batches of them.

        A row's time is its best of three, so that what else the machine does at the moment does not count.

        Returns:
            p50_ms and p99_ms of a single row, batch_rows_per_s.
        """
        total = _rows(feeds)
        first = {name: values[:1] for name, values in feeds.items()}
        usual = min(self._seconds(first) for _ in range(WARM_UP))
        n = max(WARM_UP, min(n, int(LATENCY_SECONDS / (ROUNDS * usual))))
        places = np.linspace(0, total - 1, num=n).astype(int)
        single = [{name: values[place : place + 1] for name, values in feeds.items()} for place in places]
        rounds = [[self._seconds(row) for row in single] for _ in range(ROUNDS)]
        p50, p99 = np.percentile(np.min(rounds, axis=0), [50, 99]) * 1000
        size = min(total, _batch_rows(feeds))
        batch = {name: values[:size] for name, values in feeds.items()}
        fastest = min(self._seconds(batch) for _ in range(ROUNDS))
        return {"p50_ms": float(p50), "p99_ms": float(p99), "batch_rows_per_s": size / fastest}

    def _seconds(self, feeds: Feeds) -> float:
        start = time.perf_counter()
        self._run(feeds)
        return time.perf_counter() - start

    def _run(self, feeds: Feeds) -> npt.NDArray[np.float32]:
        return run_once(self.session, self.signature.prediction, feeds)


def session_of(path: Path, *, threads: int = 1) -> Any:
    """Load a model on the CPU. Raises RunFailed where onnxruntime cannot."""
    import onnxruntime  # it starts a thread, and the agent forks

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime's errors share no base class of their own
        raise RunFailed(f"onnxruntime cannot load the model: {_first_line(err)}", place=path.name) from err


def run_once(session: Any, output: str, feeds: Feeds) -> Array:
    """One output for one batch. Raises RunFailed where onnxruntime fails."""
    try:
        (found,) = session.run([output], feeds)
    except Exception as err:  # as above
        raise RunFailed(f"onnxruntime cannot run the model: {_first_line(err)}") from err
    return np.asarray(found)


def batches(feeds: Feeds) -> Iterator[Feeds]:
    """The rows of `feeds` in parts that fit a model's memory."""
    size = _batch_rows(feeds)
    for start in range(0, _rows(feeds), size):
        yield {name: values[start : start + size] for name, values in feeds.items()}


def chunks(
    rows: Path, signature: Signature, *, threads: int = 1, start: int = 0, stop: int | None = None
) -> Iterator[Feeds]:
    """The rows of a Parquet file, or from `start` to before `stop`, as the model's inputs, in the file's order.

    Raises as `feeds_from`.
    """
    with in_memory(threads=threads) as con:
        known = column_types(con, f"select * from read_parquet({literal(str(rows))})")
        columns = [_column(given, known) for given in signature.inputs]
        for found in read_chunks(con, rows, columns, start=start, stop=stop):
            yield _feeds(signature, found)


def feeds_from(con: duckdb.DuckDBPyConnection, rows: str, signature: Signature) -> Feeds:
    """Turn the rows of a SELECT into the model's inputs, nulls in the form that the signature says.

    Raises:
        DataInvalid: a column is missing, or a value does not fit.
    """
    known = column_types(con, rows)
    columns = [f"{_column(given, known)} as c{place}" for place, given in enumerate(signature.inputs)]
    try:
        found = con.execute(f"select {', '.join(columns)} from ({rows})").fetchnumpy()
    except duckdb.DataError as err:
        raise DataInvalid(_first_line(err)) from None
    return _feeds(signature, [found[f"c{place}"] for place in range(len(columns))])


def _column(given: Input, known: Mapping[str, Any]) -> str:
    """SQL for one input's column."""
    if given.name not in known:
        raise missing_column(given.name, known)
    name = identifier(given.name)
    if given.null == "nan":
        return f"coalesce(cast({name} as double), cast('nan' as double))"
    if given.null == "empty":
        return f"coalesce(cast({name} as varchar), '')"
    if given.null == "lowest":
        return f"coalesce(cast({name} as bigint), cast({NULL_INTEGER} as bigint))"
    return f"cast({name} as bigint)"


def _feeds(signature: Signature, columns: Sequence[Array]) -> Feeds:
    feeds: Feeds = {}
    for given, values in zip(signature.inputs, columns, strict=True):
        if np.ma.is_masked(values):
            raise DataInvalid(f'column "{given.name}" has nulls, and the model has no way to take them')
        plain = np.asarray(values).astype(ELEMENTS[given.onnx], copy=False)
        feeds[given.name] = plain.reshape(-1, 1) if len(given.shape) == 2 else plain
    return feeds


def _rows(feeds: Feeds) -> int:
    return len(next(iter(feeds.values())))


def _batch_rows(feeds: Feeds) -> int:
    row_bytes = sum(values[:1].nbytes for values in feeds.values())
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, row_bytes)))


def _first_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0]
