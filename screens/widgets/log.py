"""A run's log: of any size, following what is written, searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from screens.acting import bindings
from screens.ink import Line, span
from screens.threads import beside
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.logbook import Logbook

AHEAD = 100  # lines around the view that are read with it


class Log(Lines):
    """It begins at the end and stays there, until somebody scrolls away from it."""

    PLACE = "log"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, empty="Nothing was written to stdout or stderr yet.")
        self.following = True
        self.wanted = ""
        self.hit: int | None = None
        self._book: Logbook | None = None
        self._first = 0
        self._held: list[str] = []
        self._total = 0
        self._reading = False
        self._again = False

    def open(self, book: Logbook) -> None:
        """Show this log, from its end."""
        self._book = book
        self.look()

    def look(self) -> None:
        """Read what was written since, and what is in view."""
        self._again = True
        if not self._reading and self._book is not None:
            self._reading = True
            self.run_worker(self._read(), group="log")

    async def _read(self) -> None:
        book = self._book
        try:
            while self._again and book is not None:
                self._again = False
                height, top, following = max(1, self.size.height), round(self.scroll_y), self.following

                def read(
                    book: Logbook = book, height: int = height, top: int = top, following: bool = following
                ) -> tuple[int, int, list[str]]:
                    total = book.look()
                    first = max(0, (total - height if following else top) - AHEAD)
                    return total, first, book.read(first, height + 2 * AHEAD)

                self._total, self._first, self._held = await beside(read)
                self._resize_to(self._total)
                if self.following:
                    self.go_to(self.max_scroll_y)
                self._refresh_changed()
        finally:
            self._reading = False

    @property
    def count(self) -> int:
        return self._total

    def line_at(self, place: int) -> Line:
        at = place - self._first
        if not 0 <= at < len(self._held):
            if place < self._total:
                self.look()
            return ()
        text = self._held[at]
        if self.wanted and (found := text.lower().find(self.wanted.lower())) >= 0:
            end = found + len(self.wanted)
            role = "attention reverse" if place == self.hit else "attention underline"
            return [span(text[:found]), span(text[found:end], role), span(text[end:])]
        return [span(text, _role(text))]

    def go_to(self, place: float) -> None:
        super().go_to(place)
        self.following = self.following and place >= self.max_scroll_y

    async def search(self, text: str, *, forward: bool = True) -> bool:
        """Go to the next line with this text, from the last hit or the top of the view. Says whether there is one."""
        book = self._book
        if book is None or not text:
            self.wanted, self.hit = text, None
            self.forget()
            return False
        fresh = text != self.wanted or self.hit is None
        start = round(self.scroll_y) if fresh else (self.hit or 0) + (1 if forward else -1)
        found = await beside(lambda: book.find(text, max(0, start), forward=forward))
        if found is None and forward and start:
            found = await beside(lambda: book.find(text, 0))  # round to the beginning
        self.wanted, self.hit = text, found
        if found is not None:
            self.following = False
            self.go_to(found - self.size.height // 2)
            self.look()
        self.forget()
        return found is not None

    def why_not(self, name: str) -> str:
        if name in ("next", "previous") and not self.wanted:
            return "Nothing was searched for yet: / searches."
        return super().why_not(name)

    def do_follow(self) -> None:
        self.following = not self.following
        if self.following:
            self.go_to(self.max_scroll_y)
            self.look()
        self.screen.refresh_bindings()

    def do_last(self) -> None:
        self.following = True
        self.go_to(self.max_scroll_y)

    async def do_search(self) -> None:
        from screens.dialogs import Asking

        async def searched(text: str | None) -> None:
            if text is not None and not await self.search(text) and text:
                self.shell.say(f"“{text}” is nowhere in this log")

        self.app.push_screen(Asking("search in the log", self.wanted), searched)

    async def do_next(self) -> None:
        await self.search(self.wanted)

    async def do_previous(self) -> None:
        await self.search(self.wanted, forward=False)


def _role(text: str) -> str:
    head = text[:200]
    if "Error" in head or "Traceback" in head or "error:" in head.lower():
        return "failed"
    return "attention" if "warning" in head.lower() else ""
