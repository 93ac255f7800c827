"""The rows of a dataset version, however many: filtered, sorted, asked in SQL, a column's distribution beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.suggester import Suggester
from textual.widgets import Input

from screens.acting import bindings
from screens.cells import csv_value
from screens.dialogs import Reading
from screens.ink import Line, Span, escaped, padded, span, wrapped
from screens.sections import Section
from screens.widgets import columns as profiled
from screens.widgets.grid import AHEAD, Column, Grid, Row
from screens.widgets.lines import Lines
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.browsing import Browser, Rows
    from runners.actions.dataset_views import Details
    from storage.profiles import ColumnProfile
    from storage.shed import Shed

NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|REAL|DECIMAL.*)")
KEYWORDS = [
    "select",
    "from",
    "where",
    "group",
    "by",
    "order",
    "having",
    "limit",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "distinct",
    "and",
    "or",
    "not",
    "null",
    "between",
]
WIDEST = 40


@dataclass(frozen=True)
class Asked:
    """Which rows, which window of them, and of which column the distribution."""

    source: str
    sql: str
    where: str
    order: str
    descending: bool
    first: int
    count: int
    column: str  # empty: none
    browser: Browser | None


@dataclass(frozen=True)
class Found:
    """The window, and the profile that was asked for with the rows of its table."""

    browser: Browser
    rows: Rows
    column: ColumnProfile | None = None
    of: int = 0


class Words(Suggester):
    """Completes the last word from columns, tables and what SQL is made of."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.words: list[str] = []

    async def get_suggestion(self, value: str) -> str | None:
        last = re.split(r"[\s(),=<>]", value)[-1]
        if not last:
            return None
        for word in [*self.words, *KEYWORDS]:
            if word.lower().startswith(last.lower()) and word.lower() != last.lower():
                return value + word[len(last) :]
        return None


class RowsSection(Section):
    """A grid that pages through any size."""

    NAME, LETTER = "rows", "r"
    PLACE = "rows"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("rows")]

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._look: dict[str, Any] = {"source": "", "sql": "", "where": "", "order": "", "descending": False}
        self._window = (0, 2 * AHEAD)
        self._found: Found | None = None
        self._profiling = False
        self._words = Words()
        self._asking = ""  # what the line is for: where or sql

    def compose(self) -> ComposeResult:
        yield Input(id="ask", suggester=self._words)
        with Horizontal():
            yield Grid(scrolls_columns=True, opens=True, empty=[[], [Span("No rows.", "dim")]])
            yield Lines(classes="aside")

    def begin(self) -> None:
        self.query_one(Grid).focus()

    # -- reading

    def question(self) -> Asked:
        first, count = self._window
        column = self._column if self._profiling and not self._look["sql"] else ""
        browser = self._found.browser if self._found is not None else None
        return Asked(**self._look, first=first, count=count, column=column, browser=browser)

    def answer(self, shed: Shed, subject: str, question: Asked) -> Found:
        from runners.actions import browsing, dataset_views

        browser = question.browser
        query = browsing.project_query(self.shell.project_dir, subject.partition("@")[0])
        if browser is None:
            browser = browsing.Browser(shed, subject, query)
        source = question.source or browser.tables[0]
        look = browsing.Look(source, question.sql, question.where, question.order, question.descending)
        rows = browser.rows(look, question.first, question.count)
        if not question.column:
            return Found(browser, rows)
        of_query = query is not None and source == browsing.DATA
        found = dataset_views.profile(
            shed, subject, table=None if of_query else source, project_query=query if of_query else None
        )
        profile = found[0].profile
        return Found(browser, rows, profile.column(question.column), profile.rows)

    def show(self, details: Details, answer: Found) -> None:
        before, self._found = self._found, answer
        rows = answer.rows
        self._look["source"] = rows.look.source
        self._words.words = [*rows.columns, *answer.browser.tables]
        columns = [
            Column("", "r", role="faint", most=12),
            *(
                Column(name, "r" if NUMBERS.fullmatch(kind) else "l", most=WIDEST)
                for name, kind in zip(rows.columns, rows.types, strict=True)
            ),
        ]
        told = [
            Row(rows.first + place, ([Span(f"{rows.first + place + 1:,}")], *(_cell(value) for value in row)))
            for place, row in enumerate(rows.rows)
        ]
        grid = self.query_one(Grid)
        grid.show(told, total=rows.total, first=rows.first, columns=columns)
        self._title(rows)
        self._show_profile(answer)
        if before is None and answer.browser.note:
            self.shell.say(answer.browser.note, "warning")

    def _title(self, rows: Rows) -> None:
        look = rows.look
        parts = [counted(rows.total, "row")]
        if look.order:
            parts.append(f"by {look.order} {'▼' if look.descending else '▲'}")
        box = self.screen.query_one("#parts")
        box.border_title = escaped(look.sql or (f"{look.source} where {look.where}" if look.where else look.source))
        box.border_subtitle = escaped(" · ".join(parts))

    def _show_profile(self, found: Found) -> None:
        self.set_class(self._profiling, "-aside")
        lines = self.query_one(Lines)
        column = found.column
        if not self._profiling or column is None:
            lines.show([[Span("a column of a table has a profile", "dim")]] if self._profiling else [])
            return
        lines.flow(lambda width: [[span(column.name, "bold")], [], *profiled.one(column, found.of, width)])

    @property
    def _column(self) -> str:
        """The name of the column under the cursor; empty for the numbers of the rows."""
        grid, found = self.query_one(Grid), self._found
        if found is None or not 0 < grid.column <= len(found.rows.columns):
            return ""
        return found.rows.columns[grid.column - 1]

    def _again(self, **look: Any) -> None:
        self._look.update(look)
        self._window = (0, 2 * AHEAD)
        self.query_one(Grid).move_to(0)
        self._refetch()

    def _refetch(self) -> None:
        page: Any = self.screen
        if self._found is not None and page._asking:
            self._found.browser.interrupt()
        page.refetch()

    @on(Grid.Wanted)
    def _more(self, event: Grid.Wanted) -> None:
        self._window = (event.first, event.count)
        self._refetch()

    @on(Grid.Aside)
    def _aside(self) -> None:
        if self._profiling:
            self._refetch()

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        found = self._found
        if found is not None and isinstance(event.key, int):
            names, values = found.rows.columns, found.rows.rows[event.key - found.rows.first]
            self.app.push_screen(Reading(f"row {event.key + 1:,}", lambda width: record(names, values, width)))

    def on_unmount(self) -> None:
        if self._found is not None:
            self._found.browser.interrupt()

    # -- actions

    def why_not(self, name: str) -> str:
        if self._found is None:
            return "The rows have not been read yet."
        if name in ("sort", "profile") and not self._column:
            return "→ puts the cursor on a column first."
        if name == "profile" and self._look["sql"]:
            return "Only columns of tables have a profile."
        if name == "reverse" and not self._look["order"]:
            return "There is no order to turn round: , sorts by the column under the cursor."
        if name == "table" and len(self._found.browser.tables) < 2:
            return "There is only one table."
        if name == "clear" and not self._clearable:
            return "Nothing is filtered."
        return ""

    @property
    def _clearable(self) -> bool:
        page: Any = self.screen
        asked = self.has_class("-asking") or self._look["sql"] or self._look["where"] or self._profiling
        return bool(asked or (page._asking and self._found is not None))

    def do_filter(self) -> None:
        self._open_line("where", "distance > 1000 and carrier = 'UA'")

    def do_sql(self) -> None:
        self._open_line("sql", "select … from data group by …")

    def _open_line(self, purpose: str, example: str) -> None:
        self._asking = purpose
        self.add_class("-asking")
        line = self.query_one("#ask", Input)
        line.placeholder = f"{purpose}: {example}"
        line.value = self._look[purpose]
        line.focus()

    def leave_line(self) -> bool:
        """Leave the line for a filter or SQL as it was before; False where none is open."""
        if not self.has_class("-asking"):
            return False
        self.remove_class("-asking")
        self.query_one(Grid).focus()
        return True

    @on(Input.Submitted, "#ask")
    def _asked(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave_line()
        text = event.value.strip()
        if self._asking == "sql":
            self._again(sql=text, where="", order="")
        else:
            self._again(where=text)

    def do_table(self) -> None:
        assert self._found is not None
        tables = self._found.browser.tables
        here = tables.index(self._look["source"]) if self._look["source"] in tables else -1
        self._again(source=tables[(here + 1) % len(tables)], sql="", where="", order="")

    def do_sort(self) -> None:
        column = self._column
        self._again(order="" if self._look["order"] == column else column, descending=False)

    def do_reverse(self) -> None:
        self._again(descending=not self._look["descending"])

    def do_profile(self) -> None:
        self._profiling = not self._profiling
        self.set_class(self._profiling, "-aside")
        self._refetch()

    def do_clear(self) -> None:
        page: Any = self.screen
        if self.leave_line():
            return
        if page._asking and self._found is not None:
            self._found.browser.interrupt()
        elif self._profiling:
            self.do_profile()
        else:
            self._again(sql="", where="", order="")


def record(names: list[str], values: tuple[Any, ...], width: int) -> list[Line]:
    """One row, a line a column; long values in several lines."""
    label = min(24, max((len(name) for name in names), default=0)) + 2
    lines: list[Line] = []
    for name, value in zip(names, values, strict=True):
        told = [[Span("null", "faint")]] if value is None else wrapped(csv_value(value), max(10, width - label))
        lines.append([*padded([span(name, "dim")], label), *told[0]])
        lines += [[Span(" " * label), *part] for part in told[1:]]
    return lines


def _cell(value: Any) -> Line:
    if value is None:
        return [Span("null", "faint")]
    return [span(csv_value(value).replace("\n", "⏎"))]
