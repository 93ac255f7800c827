"""Text to scroll in: a few lines or as many as there are, of which only those in view are held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.acting import Acting, bindings
from screens.ink import Line, Span
from screens.widgets.painted import strip_of


class Lines(Acting, ScrollView, can_focus=True):
    """Lines that are given whole; those too wide are cut, or seen by scrolling sideways."""

    PLACE = "text"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]
    DEFAULT_CSS = "Lines { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; padding: 0 1; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None, empty: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self._empty = empty
        self._lines: list[Line] = []
        self._shown: dict[int, Strip] = {}
        self._aside = 0
        self._told: Callable[[int], Sequence[Line]] | None = None

    def show(self, lines: Sequence[Line]) -> None:
        """Take these lines in place of those before."""
        self._lines = list(lines)
        self._resize_to(len(self._lines))
        self._refresh_changed()

    def flow(self, told: Callable[[int], Sequence[Line]]) -> None:
        """Take the lines that `told` gives for a width, now and whenever the width changes."""
        self._told = told
        if self.size.width:
            self.show(told(self._width))

    @property
    def _width(self) -> int:
        return max(20, self.size.width - self.styles.scrollbar_size_vertical)

    def line_at(self, place: int) -> Line:
        return self._lines[place] if place < len(self._lines) else ()

    @property
    def count(self) -> int:
        return len(self._lines)

    def forget(self) -> None:
        """Draw everything again: the theme is another one."""
        self._shown.clear()
        self.refresh()

    def _resize_to(self, count: int) -> None:
        if self.virtual_size.height != count:
            self.virtual_size = Size(self.size.width, count)
            self._refresh_scrollbars()

    def render_line(self, y: int) -> Strip:
        strip = self._strip(y)
        self._shown[y] = strip
        return strip

    def _strip(self, y: int) -> Strip:
        from screens.shell import shell_of

        shell = shell_of(self)
        width = self.scrollable_content_region.width
        line = self.line_at(y + round(self.scroll_y))
        if not self.count and y == 0:
            line = [Span(self._empty, "dim")]
        if self._aside:
            strip = strip_of(line, width + self._aside, self.rich_style, shell.inks, ascii_only=shell.ascii_only)
            return strip.crop(self._aside)
        return strip_of(line, width, self.rich_style, shell.inks, ascii_only=shell.ascii_only)

    def _refresh_changed(self) -> None:
        if not self.is_mounted or not self._shown:
            self.refresh()
            return
        regions = []
        for y in range(self.scrollable_content_region.height):
            strip = self._strip(y)
            if self._shown.get(y) != strip:
                self._shown[y] = strip
                regions.append(Region(self.gutter.left, y + self.gutter.top, strip.cell_length, 1))
        if regions:
            self.refresh(*regions)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._shown.clear()

    def on_resize(self) -> None:
        self._shown.clear()
        if self._told is not None:
            self.show(self._told(self._width))

    # -- actions

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    def go_to(self, place: float) -> None:
        """Bring a line to the top, as far as there are enough below."""
        self.scroll_to(y=max(0, min(place, self.max_scroll_y)), animate=False, force=True, immediate=True)

    def do_down(self) -> None:
        self.go_to(self.scroll_y + 1)

    def do_up(self) -> None:
        self.go_to(self.scroll_y - 1)

    def do_page_down(self) -> None:
        self.go_to(self.scroll_y + self._page)

    def do_page_up(self) -> None:
        self.go_to(self.scroll_y - self._page)

    def do_first(self) -> None:
        self.go_to(0)

    def do_last(self) -> None:
        self.go_to(self.max_scroll_y)

    def do_left(self) -> None:
        self._shift(-20)

    def do_right(self) -> None:
        self._shift(20)

    def _shift(self, by: int) -> None:
        self._aside = max(0, self._aside + by)
        self._shown.clear()
        self.refresh()
