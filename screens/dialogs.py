"""Questions over a view: a line to fill in, something to agree to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input

from screens.acting import ActingScreen, bindings
from screens.ink import Line, Span, escaped, folded, line
from screens.widgets.lines import Lines
from screens.widgets.painted import Painted

AROUND = 6  # lines of a question that are not its evidence: border and padding, a gap, the keys
INPUT_LINES = 4  # and of the line for a reason


class Told(Painted):
    """Lines that do not change but with the width."""

    def __init__(self, lines: Sequence[Line] | Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._told = lines

    def paint(self, width: int, height: int) -> Sequence[Line]:
        lines = self._told(width) if callable(self._told) else self._told
        return [part for each in lines for part in folded(each, width)]


class Asking(ActingScreen, ModalScreen[str | None]):
    """One line to fill in. Gives what was typed, None when it was left."""

    PLACE = "asking"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("asking")]

    def __init__(
        self, title: str, value: str = "", *, lines: Sequence[Line] = (), placeholder: str = "", needed: bool = False
    ) -> None:
        super().__init__()
        self._title, self._value, self._lines = title, value, lines
        self._placeholder, self._needed = placeholder, needed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = escaped(self._title)
            box.border_subtitle = "enter takes it · esc leaves"
            if self._lines:
                yield Told([*self._lines, []])
            yield Input(self._value, placeholder=self._placeholder, select_on_focus=True)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if self._needed and not event.value.strip():
            self.shell.say("Some words are needed here.", "warning")
            return
        self.dismiss(event.value.strip())

    def do_close(self) -> None:
        self.dismiss(None)


class Agreeing(ActingScreen, ModalScreen[str | None]):
    """What will happen, said in a sentence; done only after a second key. Gives the reason typed, None for no."""

    PLACE = "agreeing"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("agreeing")]

    def __init__(
        self,
        title: str,
        lines: Sequence[Line] | Callable[[int], Sequence[Line]],
        *,
        verb: str,
        reason: str | None = None,
        needs_reason: bool = False,
        dangerous: bool = False,
    ) -> None:
        """`lines` may depend on the width; `reason` is the placeholder of a line for one, None: none is asked for."""
        super().__init__()
        self._title, self._lines, self._verb = title, lines, verb
        self._reason, self._needs_reason, self._dangerous = reason, needs_reason, dangerous

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide" + (" dangerous" if self._dangerous else "")) as box:
            box.border_title = escaped(self._title)
            with VerticalScroll(classes="evidence", can_focus=False):
                yield Told(self._lines)
            yield Told([[]])
            if self._reason is not None:
                yield Input(placeholder=self._reason)
            role = "failed bold" if self._dangerous else "accent bold"
            keys = "ctrl+y" if self._reason is not None else "y"
            yield Told([line(Span(keys, role), f" {self._verb}    ", Span("esc", "accent"), " leave it as it is")])

    def on_resize(self) -> None:
        """The evidence scrolls, so that the reason and the keys stay in view."""
        asked = INPUT_LINES if self._reason is not None else 0
        self.query_one(".evidence").styles.max_height = max(3, self.size.height * 9 // 10 - AROUND - asked)

    def do_down(self) -> None:
        self.query_one(".evidence").scroll_page_down()

    def do_up(self) -> None:
        self.query_one(".evidence").scroll_page_up()

    def do_agree(self) -> None:
        lines = self.query(Input)
        reason = lines.first().value.strip() if lines else ""
        if self._needs_reason and not reason:
            self.shell.say("A reason is needed; it is kept in the history.", "warning")
            lines.first().focus()
            return
        self.dismiss(reason)

    def do_close(self) -> None:
        self.dismiss(None)


class Reading(ActingScreen, ModalScreen[None]):
    """Lines to read and to scroll in."""

    PLACE = "reading"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("reading")]

    def __init__(
        self, title: str, told: Callable[[int], Sequence[Line]], *, copies: str = "", closes: str = "esc closes"
    ) -> None:
        """`told` gives the lines for a width, `copies` is what `y` copies; `closes` stands at the lower edge."""
        super().__init__()
        self._title, self._told, self._copies, self._closes = title, told, copies, closes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide reading") as box:
            box.border_title = escaped(self._title)
            box.border_subtitle = self._closes
            yield Lines()

    def on_mount(self) -> None:
        self.query_one(Lines).flow(self._told)
        self.query_one(Lines).focus()

    def do_close(self) -> None:
        self.dismiss(None)

    def why_not(self, name: str) -> str:
        if name == "copy" and not self._copies:
            return "There is nothing here to copy."
        return super().why_not(name)

    def do_copy(self) -> None:
        self.shell.copy(self._copies)
