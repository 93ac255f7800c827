"""Widgets that are drawn line by line: only lines that differ from before are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from screens.glyphs import ASCII
from screens.inert import inert
from screens.ink import Line
from screens.themes import Inks


def strip_of(line: Line, width: int, base: Style, inks: Inks, *, ascii_only: bool = False) -> Strip:
    """A line as the terminal gets it, in exactly `width` cells; nothing in it is obeyed by the terminal."""
    segments = []
    for text, role in line:
        told = inert(text)
        if ascii_only:
            told = told.translate(ASCII)
        segments.append(Segment(told, base + inks(role) if role else base))
    return Strip(segments).adjust_cell_length(width, base).simplify()


class Painted(Widget):
    """A widget that says in `paint` what its lines are; `repaint` after anything they are made of has changed."""

    DEFAULT_CSS = "Painted { height: auto; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._drawn_for: tuple[Size, Style] | None = None

    def paint(self, width: int, height: int) -> Sequence[Line]:
        """The lines; `height` is 0 where the widget is as high as it wants to be."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again what has changed."""
        if not self.is_mounted or not self.size.width:
            return
        if self._drawn_for is None or self._drawn_for != (self.size, self.rich_style):
            self.refresh(layout=self._is_auto)
            return
        if self._is_auto and len(self.paint(self.size.width, 0)) != self.size.height:
            self._drawn_for = None
            self.refresh(layout=True)
            return
        old, self._strips = self._strips, self._drawn()
        regions = []
        for y in range(max(len(old), len(self._strips))):
            blank = Strip.blank(self.size.width, self.rich_style)
            before = old[y] if y < len(old) else blank
            after = self._strips[y] if y < len(self._strips) else blank
            if before != after:
                regions.append(Region(0, y, self.size.width, 1))
        if regions:
            self.refresh(*regions)

    def forget(self) -> None:
        """Draw everything again: the theme is another one."""
        self._drawn_for = None
        self.refresh()

    @property
    def _is_auto(self) -> bool:
        return self.styles.height is not None and self.styles.height.is_auto

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self.paint(width, 0))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def render_line(self, y: int) -> Strip:
        key = (self.size, self.rich_style)
        if self._drawn_for != key:
            self._drawn_for = key
            self._strips = self._drawn()
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.rich_style)

    def _drawn(self) -> list[Strip]:
        from screens.shell import shell_of

        shell = shell_of(self)
        width, height = self.size
        base = self.rich_style
        lines = self.paint(width, height)[:height]
        return [strip_of(line, width, base, shell.inks, ascii_only=shell.ascii_only) for line in lines]
