"""What an endpoint says of itself, as it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens.acting import bindings
from screens.ink import escaped
from screens.view import View
from screens.widgets.log import Log

if TYPE_CHECKING:
    from runners.actions.logbook import Logbook
    from storage.shed import Shed


class EndpointLog(View[None, "Logbook"]):
    """A page over Serving; `esc` goes back to it."""

    PLACE = "endpoint_log"
    VIEW = "serving"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("endpoint_log")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._endpoint = name
        self._book: Logbook | None = None

    def body(self) -> ComposeResult:
        with Vertical(classes="pane") as box:
            box.border_title = escaped(f"{self._endpoint} · log")
            yield Log()

    def on_mount(self) -> None:
        self.query_one(Log).focus()

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Logbook:
        from runners.actions import logbook

        return self._book or logbook.of_endpoint(shed, self._endpoint)

    def show(self, answer: Logbook) -> None:
        if self._book is None:
            self._book = answer
            self.query_one(Log).open(answer)

    def look(self) -> None:
        self.query_one(Log).look()

    def do_copy(self) -> None:
        self.shell.copy(f"trainshed endpoints logs {self._endpoint}")
