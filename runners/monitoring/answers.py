"""What an endpoint's model answered, and what turned out to be true, read back from the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from runners.evaluation.heldout import Floats
from runners.evaluation.truths import truths
from runners.packaging.signature import Signature
from storage.columns import identifier, json_path, literal

MOST = 20_000  # rows at most, drawn from all of the window
MOST_TRUE = 100_000  # rows with a truth, the newest


@dataclass(frozen=True)
class Answers:
    """Rows of the log: when, what was predicted ([n], or [n, k] of the signature's classes), what was true.

    `truth` is 0/1, a class index or a value; NaN where nobody knows it. `columns` are inputs that slices are cut by.
    """

    at: NDArray[np.float64]
    prediction: Floats
    truth: NDArray[np.float64]
    columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.at)

    def where(self, chosen: NDArray[np.bool_]) -> Answers:
        """Some of the rows."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Answers(self.at[chosen], self.prediction[chosen], self.truth[chosen], columns)


def drawn(con: duckdb.DuckDBPyConnection, signature: Signature, version: int, since: float) -> Answers:
    """Rows of a version since then, drawn at random where there are many; `con` is one of `storage.predictions`."""
    return _read(con, signature, version, since, [], f"using sample reservoir({MOST} rows) repeatable (1)", "true")


def known(
    con: duckdb.DuckDBPyConnection, signature: Signature, version: int, since: float, slices: Sequence[str]
) -> Answers:
    """Rows of a version since then of which the truth has come; with the inputs `slices`."""
    names = [given.name for given in signature.inputs if given.name in slices]
    return _read(con, signature, version, since, names, f'order by "at" desc limit {MOST_TRUE}', "truth is not null")


def latencies(con: duckdb.DuckDBPyConnection, since: float, seconds: float) -> dict[int, tuple[int, float, float]]:
    """Number of a bucket of `seconds` since the epoch → requests logged in it, p50 and p99 of their milliseconds."""
    rows = con.execute(
        f"""select cast(floor("at" / {seconds!r}) as bigint), count(*), quantile_cont(ms, 0.5), quantile_cont(ms, 0.99)
            from predictions_only where "row" = 0 and "at" >= {since!r} group by 1"""
    ).fetchall()
    return {number: (count, p50, p99) for number, count, p50, p99 in rows}


def count(con: duckdb.DuckDBPyConnection, since: float) -> int:
    """Rows predicted since then, as far as they are logged."""
    row = con.execute(f'select count(*) from predictions_only where "at" >= {since!r}').fetchone()
    return int(row[0]) if row else 0


def _read(
    con: duckdb.DuckDBPyConnection,
    signature: Signature,
    version: int,
    since: float,
    names: Sequence[str],
    which: str,
    condition: str,
) -> Answers:
    paths = [f"$.{json_path(signature.prediction)}"]
    if signature.task == "multiclass":
        paths = [f"{paths[0]}.{json_path(name)}" for name in signature.classes]
    listed = ['"at"', "truth->>'$' as truth"]
    listed += [f"try_cast(output->>{literal(path)} as double) as p{place}" for place, path in enumerate(paths)]
    listed += [f"{_slice(signature, name)} as {identifier(f'c{place}')}" for place, name in enumerate(names)]
    inner = f'select "at", inputs, output, truth from predictions where "version" = {version:d} and "at" >= {since!r}'
    found = con.execute(f"select {', '.join(listed)} from (from ({inner} and {condition}) {which})").fetchnumpy()
    guessed = [np.ma.filled(found[f"p{place}"].astype(np.float64), np.nan) for place in range(len(paths))]
    prediction = np.stack(guessed, axis=1) if signature.task == "multiclass" else guessed[0]
    truth = truths(list(np.ma.filled(found["truth"].astype(object), None)), signature)
    columns = {name: found[f"c{place}"] for place, name in enumerate(names)}
    finite = np.asarray(np.isfinite(prediction).all(axis=tuple(range(1, prediction.ndim))), bool)
    return Answers(np.asarray(found["at"]), prediction, truth, columns).where(finite)


def _slice(signature: Signature, name: str) -> str:
    """SQL for an input, as a number where it is one."""
    path = literal(f"$.{json_path(name)}")
    given = next(given for given in signature.inputs if given.name == name)
    return f"try_cast(inputs->>{path} as double)" if given.categories is None else f"inputs->>{path}"
