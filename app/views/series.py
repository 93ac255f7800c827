"""The points of a metric, as a table, CSV or JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from app.output import At, Output, Table
from runners.actions.series import Points
from screens import figures


def show_series(out: Output, run_id: int, series: list[Points], *, as_csv: bool, one: bool) -> None:
    """All points in their order. CSV has the metric's name as its first column unless `one` was asked for."""
    count = 0
    if as_csv and not out.json_lines:
        out.say(_csv_line(["step", "time", "value"] if one else ["metric", "step", "time", "value"]))
    for points in series:
        for step, at, value in points.rows:
            count += 1
            out.emit("point", run=run_id, metric=points.name, step=step, at=At(at), value=value)
            if as_csv and not out.json_lines:
                row = [step, figures.iso(at), figures.number(value) if value != value else repr(value)]
                out.say(_csv_line(row if one else [points.name, *row]))
        if not as_csv:
            out.table(
                Table(["step", "time", points.name], [[str(s), At(t), v] for s, t, v in points.rows], align="rlr")
            )
    out.finish(run=run_id, points=count)


def _csv_line(cells: Iterable[object]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
