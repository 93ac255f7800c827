"""3 Runs: what runs, what ran, and how well."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from screens import figures
from screens.acting import bindings
from screens.charts.sparkline import sparkline
from screens.glyphs import bar, glyph, role_of
from screens.ink import Line, Span, escaped, span
from screens.outlook import begins, outlooks
from screens.queueing import Queueing
from screens.widgets.glance import Glance
from screens.widgets.grid import AHEAD, Column, Grid, Row

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.runs import Listing
    from storage.errors import TrainshedError
    from storage.read.runs import RunRow
    from storage.shed import Shed
    from storage.tables import Run

SPARK = 10
MOST_PARAMS = 3
LONG = 8  # characters of a param beyond which a number is rounded
SORTS = ("-id", "status", "user", "name", "-started_at")


@dataclass(frozen=True)
class Asked:
    """Which window of which runs."""

    filter: str
    sort: str
    first: int
    count: int
    project: str | None
    in_view: tuple[int, int] = (0, 0)
    sparked: frozenset[int] = frozenset()  # runs whose curves are known and will not change


@dataclass(frozen=True)
class Found:
    """The window.

    `left_alone` are runs said to be running whose supervisor is gone; `metric` is what the gate of most of them looks
    at; `sparks` are the curves of it of runs in view; `outlooks`, read `at` a moment, are those of runs that wait.
    """

    asked: Asked
    listing: Listing
    left_alone: set[int] = field(default_factory=set)
    metric: str = ""
    sparks: dict[int, list[float | None]] = field(default_factory=dict)
    outlooks: dict[int, Outlook] = field(default_factory=dict)
    at: float = 0.0


class Runs(Queueing[Asked, Found]):
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
        self._window = (0, 2 * AHEAD)
        self._found: Found | None = None
        self._sparks: dict[int, list[float | None]] = {}
        self._goal: int | None = None  # a run that comes under the cursor once it has been read

    @property
    def marked(self) -> list[int]:
        """The runs that Compare puts side by side, in the order in which they were marked."""
        return self.shell.marked

    def body(self) -> ComposeResult:
        yield Input(placeholder="status=failed lr>1e-4 user=ana auroc>=0.7 tag=baseline name", id="filter")
        with Horizontal():
            with Vertical(classes="pane", id="list"):
                yield Grid(id="runs", empty=[[]], opens=True)
            yield Glance(id="glance")

    def on_mount(self) -> None:
        self.query_one(Grid).focus()
        self._title()

    def question(self) -> Asked:
        project = None if self.all_projects else self.shell.project
        known = frozenset(run_id for run_id in self._sparks if run_id not in self._at_work())
        return Asked(self.filter, self.sort, *self._window, project, self.query_one(Grid).view, known)

    def _at_work(self) -> set[int]:
        rows = self._found.listing.rows if self._found is not None else []
        return {row.run.id or 0 for row in rows if row.run.status == "running"}

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
        metric = gate_metric(found.rows)
        sparks, waiting = _sparks(shed, question, found.rows, metric), outlooks(shed, [row.run for row in found.rows])
        return Found(question, found, alone, metric, sparks, waiting, time.time())

    def show(self, answer: Found) -> None:
        self._found = answer
        self._sparks |= answer.sparks
        self._draw()
        if self._goal is not None and self.query_one(Grid).move_to_key(self._goal):
            self._goal = None
        key = self.query_one(Grid).key
        self.query_one(Glance).show_run(int(str(key)) if key is not None else None)

    def _draw(self) -> None:
        found = self._found
        if found is None:
            return
        columns, rows = told(found, self.marked, self._sparks, now=time.time())
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

    def look(self) -> None:
        self.query_one(Glance).look()

    def failed(self, err: TrainshedError) -> None:
        self.shell.tell(err)

    # -- actions

    def chosen(self) -> dict[int, Run | None]:
        key = self.query_one(Grid).key
        rows = self._found.listing.rows if self._found is not None else []
        known = {row.run.id or 0: row.run for row in rows}
        return {run_id: known.get(run_id) for run_id in self.marked or ([int(str(key))] if key is not None else [])}

    def why_not(self, name: str) -> str:
        if name == "all_projects" and self.shell.project is None:
            return "This is no project's directory, so all projects are shown."
        if name == "launch" and self.shell.project_dir is None:
            return "This is no project's directory: start trainshed in one, or with -p DIR."
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
        sorts = [*SORTS, *self._own_sorts()]
        names = [sort.removeprefix("-") for sort in sorts]
        place = names.index(self.sort.removeprefix("-")) if self.sort.removeprefix("-") in names else -1
        self.sort = sorts[(place + 1) % len(sorts)]
        self.refetch()
        self._title()

    def _own_sorts(self) -> list[str]:
        """The metric and the params that have columns."""
        found = self._found
        if found is None:
            return []
        params = varying([row.params for row in found.listing.rows])
        return [*([f"-{found.metric}"] if found.metric else []), *params]

    def do_reverse(self) -> None:
        self.sort = self.sort[1:] if self.sort.startswith("-") else f"-{self.sort}"
        self.refetch()
        self._title()

    def do_launch(self) -> None:
        from screens.launching import open_form

        assert self.shell.project_dir is not None  # why_not has seen to it
        open_form(self, self.shell.project_dir, None, 0, self.launched)

    def launched(self, run_id: int | None) -> None:
        self._goal = run_id
        self.refetch()

    def do_sweeps(self) -> None:
        from screens.sweeps import Sweeps

        self.app.push_screen(Sweeps())

    def do_all_projects(self) -> None:
        self.all_projects = not self.all_projects
        self.refetch()

    @on(Grid.Moved)
    def _moved(self, event: Grid.Moved) -> None:
        self.query_one(Glance).show_run(int(str(event.key)) if event.key is not None else None)
        if event.grid.view != (self._found.asked.in_view if self._found is not None else None):
            self.refetch()  # other runs are in view: their curves are wanted too

    @on(Grid.Chosen)
    def _open(self, event: Grid.Chosen) -> None:
        self.shell.open_thing(str(event.key))

    @on(Grid.Wanted)
    def _more(self, event: Grid.Wanted) -> None:
        self._window = (event.first, event.count)
        self.refetch()


def told(
    found: Found, marked: list[int], sparks: dict[int, list[float | None]], *, now: float
) -> tuple[list[Column], list[Row]]:
    """Columns and rows of the table."""
    rows = found.listing.rows
    with_project = found.asked.project is None
    params = varying([row.params for row in rows])
    columns = [
        Column("", width=1),
        Column("run", "r", least=3),
        Column("name", grow=True, least=10, most=44),
        *([Column("project", most=20, rank=3, role="dim")] if with_project else []),
        Column("user", most=12, rank=4, role="dim"),
        Column("status", least=13, rank=8),
        *([Column("tags", most=18, rank=1, role="dim")] if any(row.tags for row in rows) else []),
        *([Column(found.metric, "r", least=6, rank=7)] if found.metric else []),
        *([Column("", width=SPARK, rank=3)] if found.metric else []),
        *(Column(name, "r", most=10, rank=2, role="dim") for name in params),
        Column("took", "r", rank=2, role="dim"),
        Column("started", "r", rank=5, role="dim"),
    ]
    return columns, [
        Row(
            row.run.id or 0,
            tuple(_cells(row, found, params, sparks.get(row.run.id or 0), with_project=with_project, now=now)),
            marked=row.run.id in marked,
        )
        for row in rows
    ]


def _cells(
    row: RunRow, found: Found, params: list[str], points: list[float | None] | None, *, with_project: bool, now: float
) -> Iterator[Line]:
    run = row.run
    status = "left alone" if (run.id or 0) in found.left_alone else run.status
    yield [glyph(status)]
    yield [Span(str(run.id), "dim")]
    yield [span(run.name)]
    if with_project:
        yield [span(run.project)]
    yield [span(run.user)]
    yield state(row, status, begins(found.outlooks.get(run.id or 0), now - found.at))
    if any(each.tags for each in found.listing.rows):
        yield [span(" ".join(row.tags))]
    if found.metric:
        value = metric_value(row, found.metric)
        yield [] if value is None else [Span(figures.number(value), "bold")]
        yield [sparkline(points, SPARK, "running" if run.status == "running" else "dim")] if points else []
    for name in params:
        yield [span(brief(row.params.get(name, "")))]
    yield [Span(took(row, now))]
    yield [Span(figures.ago(run.started_at or run.created_at, now))]


def gate_metric(rows: Sequence[RunRow]) -> str:
    """The metric that the gates of most of these runs look at; empty where none does."""
    wanted = [str((row.run.spec.get("gate") or {}).get("metric") or "") for row in rows]
    found = Counter(name for name in wanted if name).most_common(1)
    return found[0][0] if found else ""


def metric_value(row: RunRow, metric: str) -> float | None:
    """On test rows where there is one, else the newest on validation rows, else whatever is called so."""
    for name in (f"test/{metric}", f"val/{metric}", f"validation/{metric}", metric):
        if name in row.metrics and row.metrics[name].last is not None:
            return row.metrics[name].last
    ending = (found.last for name, found in row.metrics.items() if name.endswith("/" + metric))
    return next((value for value in ending if value is not None), None)


def varying(params: Sequence[dict[str, str]]) -> list[str]:
    """The params in which these runs differ most, a few."""
    values: dict[str, set[str | None]] = {}
    for name in {name for given in params for name in given}:
        values[name] = {given.get(name) for given in params}
    found = [name for name, told in values.items() if len(told) > 1]
    return sorted(found, key=lambda name: (-len(values[name]), name))[:MOST_PARAMS]


def _sparks(shed: Shed, asked: Asked, rows: Sequence[RunRow], metric: str) -> dict[int, list[float | None]]:
    from runners.actions import curves

    first, count = asked.in_view
    seen = rows[max(0, first - asked.first) : max(0, first - asked.first) + count]
    asks = []
    for row in seen:
        names = [
            name for name in row.metrics if name.endswith(("val/" + metric, "validation/" + metric)) or name == metric
        ]
        if metric and names and (row.run.id or 0) not in asked.sparked:
            asks.append(curves.Ask(row.run.id or 0, names[0]))
    return dict(zip([ask.run_id for ask in asks], curves.sparks(shed, asks, 2 * SPARK), strict=True))


def brief(text: str) -> str:
    """A param in a narrow column: long numbers with fewer digits."""
    if len(text) <= LONG:
        return text
    try:
        return figures.number(float(text))
    except ValueError:
        return text


def state(row: RunRow, status: str, begins: str = "") -> Line:
    """How far it is, when it begins, or how it ended."""
    if status == "queued" and begins:
        return [Span(f"queued, {begins}", role_of(status))]
    if status == "running" and row.run.progress is not None:
        return [*bar(row.run.progress, 8), Span(f" {row.run.progress * 100:3.0f} %")]
    return [Span(status, role_of(status))]


def took(row: RunRow, now: float) -> str:
    if row.run.started_at is None:
        return ""
    return figures.duration((row.run.ended_at or now) - row.run.started_at)
