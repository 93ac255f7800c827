"""3 Runs: what runs, what ran, and how well."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from screens import figures
from screens.acting import bindings
from screens.glyphs import bar, glyph, role_of
from screens.ink import Line, Span, span
from screens.view import View
from screens.widgets.grid import AHEAD, Column, Grid, Row

if TYPE_CHECKING:
    from runners.actions.runs import Listing
    from storage.errors import TrainshedError
    from storage.read.runs import RunRow
    from storage.shed import Shed

SORTS = ("-id", "status", "user", "name", "-started_at")


@dataclass(frozen=True)
class Asked:
    """Which window of which runs."""

    filter: str
    sort: str
    first: int
    count: int
    project: str | None


@dataclass(frozen=True)
class Found:
    """The window; `left_alone` are runs said to be running whose supervisor is gone."""

    asked: Asked
    listing: Listing
    left_alone: set[int] = field(default_factory=set)


class Runs(View[Asked, Found]):
    """A table of runs that is always as things are now."""

    PLACE = "runs"
    VIEW = "runs"
    CSS_PATH = "styles/runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("runs")]

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""
        self.sort = "-id"
        self.all_projects = False
        self.marked: list[int] = []
        self._window = (0, 2 * AHEAD)
        self._found: Found | None = None

    def body(self) -> ComposeResult:
        yield Input(placeholder="status=failed lr>1e-4 user=ana auroc>=0.7 tag=baseline name", id="filter")
        with Vertical(classes="pane", id="list"):
            yield Grid(id="runs", empty=[[]])

    def on_mount(self) -> None:
        self.query_one(Grid).focus()
        self._title()

    def question(self) -> Asked:
        project = None if self.all_projects else self.shell.project
        return Asked(self.filter, self.sort, *self._window, project)

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import runs
        from runners.actions.liveness import supervised

        found = runs.listing(
            shed,
            question.filter,
            sort=question.sort,
            limit=question.count,
            offset=question.first,
            project=question.project,
        )
        alone = {row.run.id or 0 for row in found.rows if row.run.status == "running" and not supervised(row.run)}
        return Found(question, found, alone)

    def show(self, answer: Found) -> None:
        self._found = answer
        self._draw()

    def _draw(self) -> None:
        found = self._found
        if found is None:
            return
        columns, rows = told(found, self.marked, with_project=found.asked.project is None, now=time.time())
        grid = self.query_one(Grid)
        grid.empty = self._nothing(found)
        grid.show(rows, total=found.listing.total, first=found.asked.first, columns=columns)
        self._title()

    def _nothing(self, found: Found) -> list[Line]:
        if found.asked.filter:
            return [[Span("no run fits this filter; ", "dim"), Span("esc", "accent"), Span(" shows all", "dim")]]
        return [
            [],
            [Span("No runs yet.", "bold")],
            [],
            [
                Span(
                    "A run takes a project through its stages: validate, prepare, train, evaluate, package, gate.",
                    "dim",
                )
            ],
            [Span("trainshed --batch", "accent"), Span("  in a project's directory makes the first one", "dim")],
        ]

    def _title(self) -> None:
        box = self.query_one("#list")
        found = self._found
        parts = ["runs"]
        if found is not None:
            parts.append(f"{found.listing.total:,}")
        if self.filter:
            parts.append(self.filter)
        elif not self.all_projects and self.shell.project:
            parts.append(self.shell.project)
        box.border_title = escaped(" · ".join(parts))
        order = self.sort.removeprefix("-") + (" ▼" if self.sort.startswith("-") else " ▲")
        marked = f"{len(self.marked)} marked · " if self.marked else ""
        box.border_subtitle = escaped(f"{marked}by {order}")

    def tick(self) -> None:
        self._draw()

    def failed(self, err: TrainshedError) -> None:
        self.shell.tell(err)

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "all_projects" and self.shell.project is None:
            return "This is no project's directory, so all projects are shown."
        if name == "mark" and self.query_one(Grid).key is None:
            return "There is no run to mark."
        if name == "back" and not (self.filter or self.marked or len(self.shell.screen_stack) > 1):
            return "This is the view itself; q leaves."
        return super().why_not(name)

    def do_filter(self) -> None:
        self.add_class("-filtering")
        line = self.query_one("#filter", Input)
        line.value = self.filter
        line.focus()

    @on(Input.Submitted, "#filter")
    def _filtered(self, event: Input.Submitted) -> None:
        self._set_filter(event.value.strip())

    def _set_filter(self, text: str) -> None:
        self.remove_class("-filtering")
        self.query_one(Grid).focus()
        if text != self.filter:
            self.filter = text
            self._window = (0, 2 * AHEAD)
            self.query_one(Grid).move_to(0)
        self.refetch()
        self._title()

    def do_back(self) -> None:
        if self.has_class("-filtering"):
            self._set_filter(self.filter)
        elif self.filter:
            self._set_filter("")
        elif self.marked:
            self.marked.clear()
            self._draw()

    def do_mark(self) -> None:
        grid = self.query_one(Grid)
        run_id = int(str(grid.key))
        if run_id in self.marked:
            self.marked.remove(run_id)
        else:
            self.marked.append(run_id)
        self._draw()
        grid.do_down()

    def do_sort(self) -> None:
        names = [sort.removeprefix("-") for sort in SORTS]
        place = names.index(self.sort.removeprefix("-")) if self.sort.removeprefix("-") in names else -1
        self.sort = SORTS[(place + 1) % len(SORTS)]
        self.refetch()
        self._title()

    def do_reverse(self) -> None:
        self.sort = self.sort[1:] if self.sort.startswith("-") else f"-{self.sort}"
        self.refetch()
        self._title()

    def do_all_projects(self) -> None:
        self.all_projects = not self.all_projects
        self.refetch()

    @on(Grid.Wanted)
    def _more(self, event: Grid.Wanted) -> None:
        self._window = (event.first, event.count)
        self.refetch()


def escaped(text: str) -> str:
    from textual.markup import escape

    from screens.inert import inert

    return escape(inert(text))


def told(found: Found, marked: list[int], *, with_project: bool, now: float) -> tuple[list[Column], list[Row]]:
    """Columns and rows of the table."""
    columns = [
        Column("", width=1),
        Column("run", "r", least=4),
        Column("name", grow=True, least=12, most=44),
        *([Column("project", most=20, rank=3, role="dim")] if with_project else []),
        Column("user", most=12, rank=4, role="dim"),
        Column("status", least=15, rank=8),
        Column("took", "r", rank=2, role="dim"),
        Column("started", "r", rank=5, role="dim"),
    ]
    rows = []
    for row in found.listing.rows:
        run_id = row.run.id or 0
        status = "left alone" if run_id in found.left_alone else row.run.status
        cells: list[Line] = [
            [glyph(status)],
            [Span(str(run_id), "dim")],
            [span(row.run.name)],
            *([[span(row.run.project)]] if with_project else []),
            [span(row.run.user)],
            state(row, status),
            [Span(took(row, now))],
            [Span(figures.ago(row.run.started_at or row.run.created_at, now))],
        ]
        rows.append(Row(run_id, tuple(cells), marked=run_id in marked))
    return columns, rows


def state(row: RunRow, status: str) -> Line:
    """How far it is, or how it ended."""
    if status == "running" and row.run.progress is not None:
        return [*bar(row.run.progress, 8), Span(f" {row.run.progress * 100:3.0f} %")]
    return [Span(status, role_of(status))]


def took(row: RunRow, now: float) -> str:
    if row.run.started_at is None:
        return ""
    return figures.duration((row.run.ended_at or now) - row.run.started_at)
