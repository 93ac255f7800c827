"""Where a run came from, down to the files, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens.sections import Section
from screens.widgets.grid import Grid
from screens.widgets.lineage import columns, rows_of

if TYPE_CHECKING:
    from runners.actions.lineage import Lineage
    from screens.run import Seen
    from storage.shed import Shed


class Origin(Section):
    """Its lineage, as a tree."""

    NAME, LETTER = "origin", "o"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid(header=False, opens=True)

    def answer(self, shed: Shed, run_id: int, question: None) -> Lineage:
        from runners.actions import lineage

        return lineage.trace(shed, str(run_id))

    def show(self, details: Seen, answer: Lineage) -> None:
        self.query_one(Grid).show(rows_of(answer), columns=columns())
