"""Draw docs/batch.svg: the real screen of `trainshed --batch -p sample_project`, as a terminal would show it.

`make picture` runs the sample project in a pseudo-terminal and takes the last screen.
"""

from __future__ import annotations

import io
import os
import pty
import struct
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS, ROWS = 104, 66
PICTURE = Path(__file__).with_name("batch.svg")


def main(command: list[str]) -> None:
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execvp(command[0], command)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        stream.feed(data)
    os.waitpid(pid, 0)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    lines = [_line(screen, number) for number in range(ROWS)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console.print(Text("$ trainshed --batch -p sample_project", style="bold"))
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    PICTURE.write_text(console.export_svg(title="trainshed"), encoding="utf-8")


def _line(screen: pyte.Screen, number: int) -> Text:
    text = Text()
    for column in range(COLUMNS):
        cell = screen.buffer[number][column]
        text.append(cell.data, Style(color=_color(cell.fg), bold=cell.bold or None, italic=cell.italics or None))
    text.rstrip()
    return text


def _color(name: str) -> str | None:
    if name == "default":
        return None
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return {"brown": "yellow", "brightblack": "bright_black"}.get(name, name.replace("bright", "bright_"))


if __name__ == "__main__":
    main(sys.argv[1:])
