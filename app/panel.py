"""A panel under the prompt that is drawn again in its place, whatever the terminal does with it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

HIDDEN, SEEN = "\x1b[?25l", "\x1b[?25h"
CLIPPED, WRAPPED = "\x1b[?7l", "\x1b[?7h"  # a line that has become too long for the terminal
CLEARED = "\x1b[J"


class Panel:
    """While it stands the cursor waits at its beginning: that place is the same however lines are broken anew when
    the terminal becomes narrower, and clearing begins there."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = 0

    def draw(self, renderable: RenderableType) -> None:
        """Draw it in place of what stood there; of more lines than the terminal has, the first."""
        console = self._console
        with console.capture() as captured:
            console.print(renderable)
        lines = captured.get().rstrip("\n").split("\n")[: console.height]
        self._lines = len(lines)
        self._write(f"\r{CLEARED}{CLIPPED}" + "\r\n".join(lines) + f"\r{WRAPPED}{_up(len(lines) - 1)}")

    def begin(self) -> None:
        self._write(HIDDEN)

    def end(self) -> None:
        """What was drawn last stays; the prompt comes under it."""
        self._write("\r\n" * self._lines + SEEN)

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()


def _up(lines: int) -> str:
    return f"\x1b[{lines}A" if lines > 0 else ""


@contextmanager
def panel_under(console: Console) -> Iterator[Panel]:
    """A panel that ends with the block."""
    panel = Panel(console)
    panel.begin()
    try:
        yield panel
    finally:
        panel.end()
