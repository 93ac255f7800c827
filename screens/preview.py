"""A small picture of an image, and on demand the image as the terminal itself draws it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import SuspendNotSupported
from textual.binding import BindingType

from screens import graphics
from screens.acting import bindings
from screens.dialogs import Reading
from screens.ink import Span
from screens.picture import lines_of

if TYPE_CHECKING:
    from runners.actions.images import Picture


class Preview(Reading):
    """Half blocks, which every terminal shows; `content` is the file that they were made of."""

    PLACE = "preview"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("preview")]

    def __init__(self, name: str, picture: Picture, content: Path, *, shades: bool) -> None:
        size = [Span(f"{picture.width:,} × {picture.height:,} pixels", "dim")]
        lines = [size, *lines_of(picture, shades=shades)]
        super().__init__(
            name, lambda _width: lines, closes="esc closes" if graphics.missing() else "v in full, esc closes"
        )
        self._called, self._content = name, content

    def why_not(self, name: str) -> str:
        return graphics.missing() if name == "in_full" else super().why_not(name)

    def do_in_full(self) -> None:
        try:
            with self.app.suspend():
                drawn = graphics.look_at(self._content, self._called)
        except SuspendNotSupported:
            drawn = False
        if not drawn:
            self.shell.say("This terminal draws no images: neither Sixel nor Kitty's protocol.", "warning")
