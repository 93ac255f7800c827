"""Params: what this run was given, those first that the run before was not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens.ink import Line, Span, span
from screens.sections import Section
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from screens.run import Seen
    from storage.read.runs import RunRow
    from storage.shed import Shed


class Params(Section):
    """A line a param."""

    NAME, LETTER = "params", "p"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid(empty=[[], [Span("This run was given no params.", "dim")]])

    def answer(self, shed: Shed, run_id: int, question: None) -> RunRow | None:
        from storage.read import runs as read_runs

        run = read_runs.run(shed, run_id)
        before = read_runs.page(shed, f"id<{run_id}", limit=1, project=run.project)
        return before[0] if before else None

    def show(self, details: Seen, answer: RunRow | None) -> None:
        given = details.run.row.params
        before = answer.params if answer is not None else given
        title = f"run {answer.run.id} had" if answer is not None else ""
        names = sorted({*given, *before}, key=lambda name: (given.get(name) == before.get(name), name))
        rows = []
        for name in names:
            now, then = given.get(name), before.get(name)
            other = now != then
            cells: tuple[Line, ...] = (
                [span(name, "bold" if other else "")],
                [span(now if now is not None else "none", "accent bold" if other else "")],
                [span(then if then is not None else "none", "dim")] if other else [],
            )
            rows.append(Row(name, cells))
        columns = [Column("param", most=36), Column("value", "r", most=40), Column(title, "r", most=40, grow=False)]
        self.query_one(Grid).show(rows, columns=columns)
