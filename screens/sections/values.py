"""What each metric came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens import figures
from screens.charts.sparkline import sparkline
from screens.ink import Line, Span, span
from screens.sections import Section
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from screens.run import Seen
    from storage.shed import Shed
    from storage.tables import RunMetric

SPARK = 16


class Values(Section):
    """A line a metric."""

    NAME, LETTER = "values", "v"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid(empty=[[], [Span("No metric was logged yet.", "dim")]])

    def answer(self, shed: Shed, run_id: int, question: None) -> dict[str, list[float | None]]:
        from runners.actions import curves

        names = curves.names(shed, run_id)
        return dict(zip(names, curves.sparks(shed, [curves.Ask(run_id, n) for n in names], 2 * SPARK), strict=True))

    def show(self, details: Seen, answer: dict[str, list[float | None]]) -> None:
        from runners.actions.runs import shown_metrics

        rows = [_row(name, metric, answer.get(name)) for name, metric in shown_metrics(details.run.row.metrics)]
        columns = [
            Column("metric", most=40, grow=True),
            Column("last", "r", least=8),
            Column("lowest", "r", rank=4, role="dim"),
            Column("highest", "r", rank=4, role="dim"),
            Column("points", "r", rank=3, role="dim"),
            Column("", width=SPARK, rank=5),
            Column("", rank=6),
        ]
        self.query_one(Grid).show(rows, columns=columns)


def _row(name: str, metric: RunMetric, points: list[float | None] | None) -> Row:
    several = metric.count > 1
    broken = metric.nonfinite_step is not None
    last = "NaN" if metric.last is None and broken else figures.number(metric.last) if metric.last is not None else ""
    cells: tuple[Line, ...] = (
        [span(name)],
        [Span(last, "failed" if broken and metric.last is None else "bold")],
        [Span(_told(metric.lowest) if several else "")],
        [Span(_told(metric.highest) if several else "")],
        [Span(f"{metric.count:,}" if several else "")],
        [sparkline(points, SPARK, "curve0")] if points and several else [],
        [Span(f"not finite from step {metric.nonfinite_step}", "failed")] if broken else [],
    )
    return Row(name, cells)


def _told(value: float | None) -> str:
    return "" if value is None else figures.number(value)
