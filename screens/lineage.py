"""The way back from anything to the files that caused it, and on to what came of it; each step can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens.acting import bindings
from screens.ink import Span, escaped
from screens.view import View
from screens.widgets.grid import Grid
from screens.widgets.lineage import columns, rows_of

if TYPE_CHECKING:
    from runners.actions.lineage import Lineage
    from storage.errors import TrainshedError
    from storage.shed import Shed


class LineagePage(View[None, "Lineage"]):
    """A tree of what a thing came from, and under it what came of it."""

    PLACE = "lineage"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("lineage")]

    def __init__(self, reference: str, view: str) -> None:
        """`view` is the numbered view that it was opened from."""
        super().__init__()
        self.reference = reference
        self.VIEW = view

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="list") as box:
            box.border_title = escaped(f"lineage of {self.reference}")
            box.border_subtitle = "enter opens what is under the cursor"
            yield Grid(header=False, opens=True, empty=[[], [Span("Nothing is known of it.", "dim")]])

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Lineage:
        from runners.actions import lineage

        return lineage.trace(shed, self.reference)

    def show(self, answer: Lineage) -> None:
        self.query_one(Grid).show(rows_of(answer), columns=columns())

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if not self.answered:
            self.dismiss()  # it is nothing in this shed

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        reference = str(event.key[0]) if isinstance(event.key, tuple) else ""
        if reference in ("", self.reference):
            self.shell.say("There is nothing behind this line.", "warning")
        else:
            self.shell.open_thing(reference)

    # -- actions

    def do_copy(self) -> None:
        self.shell.copy(f"trainshed lineage {self.reference}")
