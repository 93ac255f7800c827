"""What each column contributes to a prediction, as people and programs see it."""

from __future__ import annotations

from dataclasses import asdict

from app.output import Output, Table
from runners.actions.explaining import Explanation
from screens import figures


def show_explanation(out: Output, found: Explanation) -> None:
    """The prediction, then one line a column, the largest contribution first."""
    for each in found.columns:
        out.emit("column", asdict(each))
    out.finish(base=found.base, prediction=found.prediction, of=found.of, rows=found.rows)
    if out.json_lines:
        return
    out.fields(
        [
            ("prediction", f"{figures.number(found.prediction)}  {found.of}"),
            ("base", f"{figures.number(found.base)}  the mean over {found.rows} test rows"),
        ]
    )
    table = Table(["column", "value", "contribution", "± error"], align="llrr")
    table.rows = [
        [
            each.column,
            "null" if each.value is None else str(each.value),
            f"{each.contribution:+.4g}",
            f"{each.standard_error:.2g}",
        ]
        for each in found.columns
    ]
    out.table(table)
