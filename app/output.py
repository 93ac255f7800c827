"""What a command says: words and tables for people, one JSON object a line for programs.

Everything passes through `Output`, so three rules hold everywhere: no control character from outside reaches the
terminal, JSON is strict, and a reader that goes away (`| head`) ends the talking but not the work.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal, TextIO

from screens import figures
from screens.inert import inert, inert_lines
from storage.errors import TrainshedError

FITTED_ROWS = 1000  # a longer table is not fitted to the terminal's width: that would take seconds
LEAST_WIDTH = 20
STATUS_OF_EXIT = {0: "done", 1: "failed", 2: "usage", 3: "invalid", 4: "refused", 130: "stopped"}
_SGR = {"": "", "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "red bold": "1;31"}


@dataclass(frozen=True)
class At:
    """A moment in a table: `4 min ago` on a terminal, ISO 8601 in a pipe."""

    seconds: float | None


@dataclass(frozen=True)
class Styled:
    """A cell in a colour or in bold; `style` is one of bold, dim, red, green, yellow, cyan, `red bold`."""

    value: Any
    style: str


@dataclass
class Table:
    """Rows for people. `align` is one letter a column, l or r; by default numbers stand on the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]] = field(default_factory=list)
    title: str = ""
    align: str = ""

    def alignment(self) -> str:
        if self.align:
            return self.align.ljust(len(self.columns), "l")
        return "".join("r" if self._numeric(index) else "l" for index in range(len(self.columns)))

    def _numeric(self, index: int) -> bool:
        cells = [row[index].value if isinstance(row[index], Styled) else row[index] for row in self.rows]
        told = [cell for cell in cells if cell is not None and cell != ""]
        return bool(told) and all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in told)


class Output:
    """Where a command's words go. `json_lines` may be switched on while options are still being read."""

    def __init__(self, *, json_lines: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json_lines = json_lines
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.gone = False  # the reader of stdout went away
        self._facts: dict[str, Any] = {}

    @property
    def people(self) -> TextIO:
        """The stream for people's text."""
        return self.stderr if self.json_lines else self.stdout

    @property
    def terminal(self) -> bool:
        """Whether people's text goes to a terminal."""
        return self.people.isatty()

    @property
    def screen(self) -> bool:
        """Whether there is a person with a terminal that can be drawn on."""
        drawable = os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        return not self.json_lines and drawable and sys.stdin.isatty() and self.stdout.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """Text of one or more lines for people."""
        self._write(self.people, _coloured(self.people, inert_lines(text), style) + "\n")

    def warn(self, text: str) -> None:
        """Something that people should know but that stops nothing; on stderr, so that it never mixes with data."""
        self._write(self.stderr, _coloured(self.stderr, "warning: ", "yellow") + inert_lines(text) + "\n")

    def note(self, text: str) -> None:
        """A remark beside the data, such as how much was left out; on stderr."""
        self._write(self.stderr, _coloured(self.stderr, inert_lines(text), "dim") + "\n")

    def table(self, table: Table, *, aligned: bool = False) -> None:
        """A table for people; with --json nothing, the caller emits the rows as objects.

        In a pipe it is tab-separated under a header line, or padded with spaces where it is `aligned`.
        """
        if not self.json_lines:
            self._table(table, aligned=aligned)

    def report(self, table: Table) -> None:
        """A table that is part of a story: in a pipe aligned, and with --json on stderr, where people read on."""
        self._table(table, aligned=True)

    def _table(self, table: Table, *, aligned: bool) -> None:
        if self.terminal and len(table.rows) <= FITTED_ROWS:
            self._write(self.people, rendered(table, self.people, wrap=aligned))
            return
        if table.title:
            self.say(table.title)
        rows = [[cell_text(cell, terminal=False, exact=not aligned) for cell in row] for row in table.rows]
        lines = [[inert(cell) for cell in row] for row in [list(table.columns), *rows]]
        told = _padded(lines, table.alignment()) if aligned else ["\t".join(line) for line in lines]
        self._write(self.people, "".join(line + "\n" for line in told))

    def fields(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """A block of `name  value` lines; pairs without a value are left out. With --json nothing."""
        if self.json_lines:
            return
        told = [(name, cell_text(v, terminal=self.terminal), v) for name, v in pairs if v is not None and v != ""]
        width = max((len(name) for name, _, _ in told), default=0)
        for name, text, value in told:
            style = value.style if isinstance(value, Styled) else ""
            label = _coloured(self.people, inert(name).ljust(width), "dim")
            body = inert_lines(text).replace("\n", "\n" + " " * (width + 2))
            self._write(self.people, f"{label}  {_coloured(self.people, body, style)}\n")

    def emit(self, event: str, facts: Mapping[str, Any] | None = None, **more: Any) -> None:
        """One JSON object on a line of its own; without --json nothing."""
        if self.json_lines:
            self._write(self.stdout, json_line({"event": event, **(facts or {}), **more}) + "\n")

    def finish(self, **facts: Any) -> None:
        """What the last JSON line will carry besides status and exit code."""
        self._facts.update(facts)

    def finished(self, exit_code: int) -> None:
        """The last JSON line; called once, by the door itself."""
        status = self._facts.pop("status", STATUS_OF_EXIT.get(exit_code, "failed"))
        self.emit("finished", status=status, exit_code=exit_code, **self._facts)

    def error(self, err: TrainshedError) -> None:
        """What is wrong, where, what was expected and what to do next."""
        self.finish(message=err.message, place=err.place, expected=err.expected, todo=err.todo)
        head = f"{err.place}: {err.message}" if err.place else err.message
        lines = [_coloured(self.stderr, "error: ", "red bold") + inert_lines(head)]
        for name, text in (("expected", err.expected), ("next", err.todo)):
            if text:
                lines.append(_coloured(self.stderr, f"  {name}: ", "dim") + inert_lines(text))
        self._write(self.stderr, "\n".join(lines) + "\n")

    def confirmed(self, question: str, *, yes: bool) -> bool:
        """Ask before something is taken away: only a person at a terminal, who did not say --yes."""
        if yes or not (sys.stdin.isatty() and self.stderr.isatty()):
            return True
        self._write(self.stderr, f"{inert_lines(question)} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def raw(self, data: bytes) -> None:
        """Bytes as they are, for a pipe that asked for them."""
        if not self.gone:
            try:
                self.stdout.flush()
                self.stdout.buffer.write(data)
                self.stdout.flush()
            except BrokenPipeError:
                self._let_go(self.stdout)

    def _write(self, stream: TextIO, text: str) -> None:
        if self.gone and stream is self.stdout:
            return
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            self._let_go(stream)

    def _let_go(self, stream: TextIO) -> None:
        self.gone = self.gone or stream is self.stdout
        nowhere = os.open(os.devnull, os.O_WRONLY)  # or the interpreter complains once more when it ends
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def cell_text(cell: Any, *, terminal: bool, exact: bool = False) -> str:
    """One cell as people read it; an empty text for None. `exact` numbers have all digits and no commas."""
    if isinstance(cell, Styled):
        return cell_text(cell.value, terminal=terminal, exact=exact)
    if cell is None:
        return ""
    if isinstance(cell, At):
        if cell.seconds is None:
            return ""
        return figures.ago(cell.seconds) if terminal else figures.iso(cell.seconds) or ""
    if isinstance(cell, (bool, int, float)):
        return str(cell) if exact and not isinstance(cell, bool) else figures.number(cell)
    return str(cell)


def rendered(table: Table, stream: TextIO, *, wrap: bool = False) -> str:
    """The table as a terminal shows it: headings dim; texts that do not fit are cut with an ellipsis, or wrapped."""
    from io import StringIO
    from shutil import get_terminal_size

    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    text = StringIO()
    console = Console(
        file=text,
        force_terminal=coloured(stream),
        no_color=not coloured(stream),
        width=get_terminal_size().columns,
        highlight=False,
    )
    grid = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", title_justify="left")
    told = [[inert(cell_text(cell, terminal=True)) for cell in row] for row in table.rows]
    for place, (name, side) in enumerate(zip(table.columns, table.alignment(), strict=True)):
        widest = max([len(name), *(len(row[place]) for row in told)])
        grid.add_column(
            Text(inert(name)),
            justify="right" if side == "r" else "left",
            no_wrap=widest <= LEAST_WIDTH,  # short ones stay whole: the long ones give way
        )
    overflow: Literal["fold", "ellipsis"] = "fold" if wrap else "ellipsis"
    for row, texts in zip(table.rows, told, strict=True):
        styles = [cell.style if isinstance(cell, Styled) else "" for cell in row]
        grid.add_row(
            *(Text(t, style=s, no_wrap=not wrap, overflow=overflow) for t, s in zip(texts, styles, strict=True))
        )
    if table.title:
        console.print(Text(inert(table.title), style="bold"))
    console.print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def json_line(value: Mapping[str, Any]) -> str:
    """One line of strict JSON in ASCII, so that any parser, encoding and terminal takes it."""
    return json.dumps(strict(value), allow_nan=False)


def strict(value: Any) -> Any:
    """`value` as JSON has it: NaN and infinity as texts, keys as texts, dataclasses as objects."""
    if isinstance(value, float) and not math.isfinite(value):
        return figures.number(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, At):
        return figures.iso(value.seconds)
    if is_dataclass(value) and not isinstance(value, type):
        return strict(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return strict(value.item())
    return str(value)


def coloured(stream: TextIO) -> bool:
    """Whether colours are welcome: a terminal, and nobody said NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def can_write(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _coloured(stream: TextIO, text: str, style: str) -> str:
    code = _SGR[style]
    return f"\x1b[{code}m{text}\x1b[0m" if code and text and coloured(stream) else text


def _padded(rows: list[list[str]], align: str) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(align))]
    lines = []
    for row in rows:
        cells = (c.rjust(w) if a == "r" else c.ljust(w) for c, w, a in zip(row, widths, align, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines
