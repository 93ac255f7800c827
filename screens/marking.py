"""Runs that are marked wherever they stand, and put side by side."""

from __future__ import annotations

from typing import ClassVar, Generic

from textual.binding import BindingType

from screens.acting import bindings
from screens.view import Answer, Question, View
from screens.widgets.grid import Grid


class Marking(View[Question, Answer], Generic[Question, Answer]):
    """A view with runs in its list. It says which one is under the cursor."""

    PLACE = "marking"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("marking")]

    @property
    def under(self) -> int | None:
        """The run under the cursor."""
        raise NotImplementedError

    def marks_changed(self) -> None:
        """Show which runs are marked now."""
        raise NotImplementedError

    @property
    def marked(self) -> list[int]:
        """The runs that Compare puts side by side, in the order in which they were marked."""
        return self.shell.marked

    @property
    def told_marks(self) -> str:
        """`3 marked`, and by which key they are compared; empty without any."""
        count = len(self.marked)
        return f"{count} marked · c compares" if count > 1 else f"{count} marked" if count else ""

    def why_not(self, name: str) -> str:
        if name == "mark" and self.under is None:
            return "There is no run to mark."
        if name == "compare" and len(self.marked) < 2:
            one = "one run is" if self.marked else "none is"
            return f"It takes two runs or more, and {one} marked: space marks the one under the cursor."
        return super().why_not(name)

    def do_mark(self) -> None:
        assert self.under is not None  # why_not has seen to it
        if self.under in self.marked:
            self.marked.remove(self.under)
        else:
            self.marked.append(self.under)
        self.marks_changed()
        self.refresh_bindings()
        self.query_one(Grid).do_down()

    def do_compare(self) -> None:
        self.shell.show_view("compare")
