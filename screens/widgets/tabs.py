"""The second line: the views by number, the one in front marked."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events

from screens.acting import Acting
from screens.actions import VIEWS
from screens.ink import Line, Span, width_of
from screens.widgets.painted import Painted


class Tabs(Acting, Painted):
    """Numbers and names; a click goes there."""

    def __init__(self, current: str) -> None:
        super().__init__()
        self._current = current

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return [self._line(width)]

    def _line(self, width: int) -> list[Span]:
        for gap in (3, 2, 1):
            told = [Span(" ")]
            for view in VIEWS:
                if view.name == self._current:
                    told += [Span(f"{view.number}", "accent"), Span(f" {view.title}", "accent bold")]
                else:
                    told += [Span(f"{view.number}", "faint"), Span(f" {view.title}", "dim")]
                told.append(Span(" " * gap))
            if width_of(told) <= width + gap:
                return told
        return told

    def on_click(self, event: events.Click) -> None:
        at = 0
        for part in self._line(self.size.width):
            at += width_of([part])
            if event.x < at:
                word = part.text.strip()
                for view in VIEWS:
                    if word in (str(view.number), view.title):
                        self.shell.show_view(view.name)
                return
