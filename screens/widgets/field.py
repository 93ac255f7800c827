"""A line of a form: its name, what is typed, and at its right what was expected where that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input

from screens.ink import Line, Span, cut, padded, span
from screens.widgets.painted import Painted


def step(form: Screen[Any], by: int) -> None:
    """Put the cursor into the line so many after the one that has it; round at the ends."""
    inputs = list(form.query(Input))
    at = inputs.index(form.focused) if isinstance(form.focused, Input) and form.focused in inputs else 0
    inputs[(at + by) % len(inputs)].focus()


class Note(Painted):
    """One line that changes."""

    def __init__(self, told: Line = (), *, align: str = "l", classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._told, self._align = told, align

    def show(self, told: Line) -> None:
        self._told = told
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return [padded(cut(self._told, width), width, self._align)]


class Field(Horizontal):
    """The default is greyed, as the placeholder of an empty line; what is typed in its place is bright."""

    def __init__(self, name: str, default: str, *, value: str = "", about: str = "") -> None:
        super().__init__(classes="field")
        self.field, self._default, self._value, self._about = name, default, value, about
        self.fault = ""

    def compose(self) -> ComposeResult:
        yield Note([span(self.field, "dim")], align="r", classes="label")
        yield Input(self._value, placeholder=self._default, select_on_focus=False)
        yield Note([Span(self._about, "faint")], classes="hint")

    @property
    def text(self) -> str:
        """What was typed; empty for the default."""
        return self.query_one(Input).value.strip()

    def judge(self, fault: str) -> None:
        """Say what is wrong with what was typed; empty: nothing is."""
        self.fault = fault
        self.query(Note).last().show([span(fault, "failed")] if fault else [Span(self._about, "faint")])
        self.set_class(bool(fault), "-wrong")
