"""What an endpoint was asked, laid out like the test rows that `prepare` holds out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np

from runners.evaluation.heldout import HeldOut
from runners.evaluation.truths import truths
from runners.packaging.signature import Input, Signature
from storage import predictions
from storage.columns import identifier, json_path, literal
from storage.errors import DataInvalid, UsageError


def lay_out(log: Path, signatures: Sequence[Signature], last: int, out: Path) -> HeldOut:
    """Write the newest `last` predictions of a log into the folder `out`: inputs of all the signatures, and truths.

    Rows without an input that a model cannot do without are left out. Truths are told in the classes of the last
    signature; NaN where nobody knows one.

    Raises:
        UsageError: nothing fitting is logged.
        DataInvalid: the log cannot be read.
    """
    inputs = {given.name: given for signature in signatures for given in signature.inputs}
    if any(given.type == "tensor" for given in inputs.values()):
        raise UsageError("the model takes tensors, and a log keeps no rows of these", place=str(log))
    columns = ", ".join(f"{_column(given)} as {identifier(name)}" for name, given in inputs.items())
    needed = [f"{identifier(name)} is not null" for name, given in inputs.items() if given.null == "refused"]
    newest = f'select inputs, truth from predictions order by "at" desc, id, "row" limit {int(last)}'
    try:
        with predictions.connect(log) as con:
            con.execute(
                f"create temp table told as select {columns}, truth->>'$' as {identifier(TRUTH)} from ({newest})"
            )
            con.execute(f"create temp view kept as select * from told where {' and '.join(needed) or 'true'}")
            truth = [row[0] for row in con.execute(f"select {identifier(TRUTH)} from kept").fetchall()]
            target = literal(str(out / "test.parquet"))
            con.execute(
                f"copy (select * exclude ({identifier(TRUTH)}) from kept) to {target} (format parquet)"
            ).fetchall()
    except duckdb.Error as err:
        raise DataInvalid(str(err).partition("\n")[0], place=str(log)) from None
    if not truth:
        raise UsageError("no prediction that both models could answer is logged", place=str(log))
    (out / "test").mkdir()
    np.save(out / "test" / "y.npy", truths(truth, signatures[-1]))
    return HeldOut(out)


TRUTH = "the truth of trainshed's log"  # no input is called so


def _column(given: Input) -> str:
    """SQL for an input as JSON has it."""
    told = f"inputs->>{literal(f'$.{json_path(given.name)}')}"
    if given.null == "empty":
        return told
    number = f"case {told} when 'true' then 1 when 'false' then 0 else try_cast({told} as double) end"
    return number if given.null == "nan" else f"try_cast({number} as bigint)"
