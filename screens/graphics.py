"""An image as the terminal itself draws it, by Sixel or by Kitty's protocol, while the app steps aside."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.text import Text

from screens.inert import inert

LINES_BESIDE = 3  # of the terminal: the title, and what leads back


def missing() -> str:
    """Why no terminal could be asked, as a sentence; empty where it can."""
    told = "textual-image is not installed beside trainshed: `pip install textual-image`."
    return "" if find_spec("textual_image") else told


def look_at(path: Path, title: str) -> bool:
    """Draw the image and wait for enter. The app must have given the terminal back. False: it draws no images."""
    from textual_image import renderable  # asks the terminal as it is imported

    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return False
    console = Console(file=sys.__stdout__)
    console.clear()
    console.print(Text(inert(title), style="bold"))
    image = renderable.Image(path, width="auto", height="auto")
    console.print(image, height=max(1, console.height - LINES_BESIDE))
    console.print(Text("enter: back", style="dim"), end=" ")
    sys.stdin.readline()
    return True
