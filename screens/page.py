"""A page of text over a view: a card, a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens.acting import bindings
from screens.ink import Line, Span, escaped, span
from screens.view import View
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from storage.errors import TrainshedError
    from storage.shed import Shed


class Page(View[None, str]):
    """Markdown, read by `read` from the shed; headings and tables stand out, nothing in it is obeyed."""

    PLACE = "page"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("page")]

    def __init__(self, title: str, read: Callable[[Shed], str], view: str) -> None:
        super().__init__()
        self._page_title, self._read = title, read
        self.VIEW = view
        self._text = ""

    def body(self) -> ComposeResult:
        with Vertical(classes="pane") as box:
            box.border_title = escaped(self._page_title)
            yield Lines()

    def on_mount(self) -> None:
        self.query_one(Lines).focus()

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> str:
        return self._read(shed)

    def show(self, answer: str) -> None:
        self._text = answer
        self.query_one(Lines).show(marked_down(answer))

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        self.dismiss()

    def why_not(self, name: str) -> str:
        if name == "copy" and not self._text:
            return "There is nothing to copy."
        return super().why_not(name)

    def do_copy(self) -> None:
        self.shell.copy(self._text)


def marked_down(text: str) -> list[Line]:
    """Markdown as lines: tables in columns, headings without their signs."""
    lines: list[Line] = []
    table: list[list[str]] = []
    for raw in [*text.splitlines(), ""]:
        if raw.startswith("|"):
            cells = [
                cell.strip().replace("\\|", "|") for cell in raw.strip().strip("|").replace("\\|", "\x00").split("|")
            ]
            table.append([cell.replace("\x00", "|") for cell in cells])
            continue
        if table:
            lines += _table(table)
            table = []
        if raw.startswith("#"):
            level = len(raw) - len(raw.lstrip("#"))
            lines.append([span(raw.lstrip("# "), "accent bold" if level == 1 else "bold")])
        else:
            lines.append(_inline(raw))
    return lines


def _table(rows: list[list[str]]) -> list[Line]:
    head, *rest = rows
    body = [row for row in rest if not all(set(cell) <= set("-: ") for cell in row)]
    count = max(len(row) for row in rows)
    widths = [max((len(row[i]) for row in [head, *body] if i < len(row)), default=0) for i in range(count)]
    told: list[Line] = []
    for place, row in enumerate([head, *body]):
        cells = [(row[i] if i < len(row) else "").ljust(widths[i]) for i in range(count)]
        told.append([span("  ".join(cells), "dim" if place == 0 else "")])
    return told


def _inline(text: str) -> Line:
    """`**bold**` and `code` in a line."""
    parts: list[Span] = []
    for place, piece in enumerate(text.replace("`", "").split("**")):
        if piece:
            parts.append(span(piece, "bold" if place % 2 else ""))
    return parts
