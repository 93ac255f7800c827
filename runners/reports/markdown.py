"""Markdown in which strings from outside stay what they are: text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

LONGEST = 80
# An underscore within a word is only an underscore; everything else here can begin markup.
_MARKUP = re.compile(r"[\\`*\[\]<>|~#&$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def inert(value: object, longest: int = LONGEST) -> str:
    """Return a string from outside as one line of Markdown that shows exactly its printable characters.

    Line breaks become spaces, control and invisible characters become �, and what is longer than `longest` is cut.
    """
    line = printable(value)
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return _MARKUP.sub(lambda found: "\\" + found[0], line)


def printable(value: object) -> str:
    """Return a string from outside as one line without control or invisible characters."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in str(value)).strip()


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a Markdown table of finished cells, padded so that it also reads well as plain text.

    The first `texts` columns are set to the left, the others, figures, to the right.
    """
    widths = [max(3, *(len(row[i]) for row in (head, *rows))) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i < texts else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * w if i < texts else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def minute(at: float) -> str:
    """Seconds since the epoch as a UTC date and minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
