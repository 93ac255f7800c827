"""`?`: every key that works where one is, by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen

from screens.acting import Acting, ActingScreen, bindings
from screens.actions import PLACES, Action
from screens.ink import Line, Span, padded, wrapped
from screens.widgets.keys import within_reach
from screens.widgets.painted import Painted


class Sheet(Acting, Painted):
    """Keys on the left, what they do on the right, under the name of the place."""

    def __init__(self, groups: list[tuple[str, list[tuple[str, Action]]]]) -> None:
        super().__init__()
        self._groups = groups

    def paint(self, width: int, height: int) -> Sequence[Line]:
        keys = [keys for _, told in self._groups for keys, _ in told]
        wide = min(22, max((len(each) for each in keys), default=0)) + 2
        lines: list[Line] = []
        for title, told in self._groups:
            lines += [[Span(title, "bold")]] if not lines else [[], [Span(title, "bold")]]
            for each, action in told:
                first, *rest = wrapped(action.tells, max(20, width - wide - 1))  # beside a scroll bar
                lines.append([*padded([Span(each, "accent")], wide), *first])
                lines += [[Span(" " * wide), *part] for part in rest]
        return lines


class Help(ActingScreen, ModalScreen[None]):
    """The keys of the screen that was in front."""

    PLACE = "help"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        found: dict[str, list[tuple[str, Action]]] = {}
        for _, action, keys in within_reach(self._about):
            found.setdefault(action.place, []).append((keys, action))
        titles = {place.name: place.title for place in PLACES}
        own = self._about.places() if isinstance(self._about, Acting) else []
        order = sorted(found, key=lambda name: own.index(name) if name in own else len(own))  # where one is comes first
        with VerticalScroll(classes="dialog wide") as box:
            box.border_title = "keys"
            box.border_subtitle = "esc closes"
            yield Sheet([(titles[name], found[name]) for name in order])

    def do_close(self) -> None:
        self.dismiss()
