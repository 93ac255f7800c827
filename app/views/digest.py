"""What happened, in a few lines."""

from __future__ import annotations

from shutil import get_terminal_size

from app.output import At, Output, can_write
from runners.actions.digest import Digest
from screens import figures
from screens.inert import inert

SIGNS = {
    "waiting": ("!", "yellow"),
    "failed": ("✗", "red"),
    "taken back": ("↩", "yellow"),
    "refused": ("✗", "yellow"),
    "promoted": ("▲", "green"),
    "sweep": ("◆", "cyan"),
    "done": ("✓", "green"),
    "stopped": ("■", ""),
    "left out": ("!", "yellow"),
    "trigger": ("»", "cyan"),
    "data": ("+", "cyan"),
    "queue": ("●", ""),
}
GO_ON = ("waiting", "failed")  # whose next command is told as well, where there is room
PLAIN = {"✗": "x", "↩": "<", "▲": "^", "◆": "*", "✓": "+", "■": "-", "●": "o"}


def show_digest(out: Output, found: Digest) -> None:
    """A heading and nine lines at most for people; every line for programs."""
    for line in found.lines:
        out.emit("digest", line.__dict__)
    out.finish(since=At(found.since), until=At(found.now), lines=len(found.lines))
    if out.json_lines:
        return
    shown = found.shown()
    head = "the last day" if found.first else f"since {figures.ago(found.since)}"
    if len(shown) < len(found.lines):
        head += f", {len(found.lines) - len(shown)} more with --json"
    out.say(head, "bold")
    width = get_terminal_size().columns if out.terminal else 0
    for line in shown:
        sign, style = SIGNS[line.kind]
        text = f"{sign if can_write(out.people, sign) else PLAIN.get(sign, sign)} {inert(line.text)}"
        todo = f"  {line.todo}" if line.kind in GO_ON else ""
        if width and len(text + todo) > width:
            todo = ""
            text = text if len(text) <= width else text[: width - 1] + "…"
        out.say(text + todo, style)
