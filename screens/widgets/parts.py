"""The parts of a page by name; the letter that leads to each stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from screens.ink import Line, Span, width_of
from screens.widgets.painted import Painted


class Parts(Painted):
    """One line; a click goes to a part."""

    @dataclass
    class Picked(Message):
        """Somebody clicked on a part."""

        name: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: list[tuple[str, str]] = []
        self._current = ""

    def show(self, parts: Sequence[tuple[str, str]], current: str) -> None:
        """Names and letters, and which is in front."""
        self._parts, self._current = list(parts), current
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return [self._line(width)]

    def _line(self, width: int) -> list[Span]:
        for gap in (3, 2, 1):
            told: list[Span] = [Span(" ")]
            for name, letter in self._parts:
                told += [*_name(name, letter, current=name == self._current), Span(" " * gap)]
            if width_of(told) - gap <= width:
                return told
        return told

    def on_click(self, event: events.Click) -> None:
        for gap in (3, 2, 1):
            if 1 + sum(len(name) + gap for name, _ in self._parts) - gap <= self.size.width or gap == 1:
                at = 1
                for name, _ in self._parts:
                    if at <= event.x < at + len(name):
                        self.post_message(self.Picked(name))
                        return
                    at += len(name) + gap
                return


def _name(name: str, letter: str, *, current: bool) -> list[Span]:
    place = name.find(letter)
    role = "accent bold underline" if current else "dim"
    if place < 0:
        return [Span(name, role)]
    hot = "accent bold underline" if current else "accent"
    return [Span(name[:place], role), Span(letter, hot), Span(name[place + 1 :], role)]
