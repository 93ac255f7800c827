"""What a run wrote to stdout and stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens.sections import Section
from screens.widgets.log import Log

if TYPE_CHECKING:
    from runners.actions.logbook import Logbook
    from screens.run import Seen
    from storage.shed import Shed


class LogSection(Section):
    """The log, from its end."""

    NAME, LETTER = "log", "l"

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._book: Logbook | None = None

    def compose(self) -> ComposeResult:
        yield Log()

    def answer(self, shed: Shed, run_id: int, question: None) -> Logbook:
        from runners.actions import logbook

        return self._book or logbook.of_run(shed, run_id)

    def show(self, details: Seen, answer: Logbook) -> None:
        if self._book is None:
            self._book = answer
            self.query_one(Log).open(answer)

    def look(self) -> None:
        self.query_one(Log).look()
