"""Text from outside (names, reasons, log lines) made harmless: nothing in it reaches a terminal as a command."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, lone surrogates, and the marks that reorder or hide text.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def inert(text: str) -> str:
    """Return one line of `text` with everything that a terminal would obey written out, as in `\\x1b[31m`."""
    return _OBEYED.sub(_written_out, text)


def inert_lines(text: str) -> str:
    """Like `inert` for text of several lines: line breaks stay, tabs become spaces."""
    return "\n".join(inert(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def _written_out(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", errors="surrogatepass").decode("ascii")
