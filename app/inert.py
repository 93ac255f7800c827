"""Text from outside (names, reasons, log lines) made harmless: nothing in it reaches a terminal as a command."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, lone surrogates, and the marks that reorder or hide text.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# Colours and cursor movements (CSI), titles and links (OSC) and the like, as programs write them into their logs.
_SEQUENCES = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-Z\\\\^-~]")


def inert(text: str) -> str:
    """Return one line of `text` with everything that a terminal would obey written out, as in `\\x1b[31m`."""
    return _OBEYED.sub(_written_out, text)


def inert_lines(text: str) -> str:
    """Like `inert` for text of several lines: line breaks stay, tabs become spaces."""
    return "\n".join(inert(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def log_line(raw: bytes) -> str:
    """Return a line of a log as text: colours dropped, what a progress bar overwrote left out, the rest inert."""
    text = _SEQUENCES.sub("", raw.decode("utf-8", errors="replace").rstrip("\r\n"))
    return inert(text.rsplit("\r", 1)[-1].expandtabs(8))


def _written_out(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", errors="surrogatepass").decode("ascii")
