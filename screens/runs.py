"""3 Runs: what runs, what ran, and how well."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from screens.acting import bindings
from screens.dialogs import Asking
from screens.ink import Line, Span, escaped, span
from screens.marking import Marking
from screens.outlook import outlooks
from screens.queueing import Queueing, queued
from screens.run_table import SPARK, RunTable, gate_metric, varying
from screens.widgets.glance import Glance
from screens.widgets.grid import AHEAD, Grid

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.queueing import Launched
    from runners.actions.runs import Listing
    from storage.errors import TrainshedError
    from storage.read.runs import RunRow
    from storage.shed import Shed
    from storage.tables import Run

RESTING_S = 0.1  # a cursor that goes on does not have every run on its way read
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


class Runs(Marking[Asked, Found], Queueing[Asked, Found]):
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
        self._table = RunTable()
        self._sparks: dict[int, list[float | None]] = {}
        self._resting: Timer | None = None
        self._goal: int | None = None  # a run that comes under the cursor once it has been read

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
        columns, rows = self._table.told(found, self.marked, self._sparks, now=time.time())
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
        box.border_subtitle = escaped(" · ".join([*([self.told_marks] if self.marked else []), f"by {order}"]))

    def tick(self) -> None:
        self._draw()

    def look(self) -> None:
        self.query_one(Glance).look()

    def failed(self, err: TrainshedError) -> None:
        self.shell.tell(err)

    # -- actions

    @property
    def under(self) -> int | None:
        key = self.query_one(Grid).key
        return int(str(key)) if key is not None else None

    def marks_changed(self) -> None:
        self._draw()

    def chosen(self) -> dict[int, Run | None]:
        rows = self._found.listing.rows if self._found is not None else []
        known = {row.run.id or 0: row.run for row in rows}
        return {run_id: known.get(run_id) for run_id in self.marked or ([self.under] if self.under is not None else [])}

    def why_not(self, name: str) -> str:
        if name == "all_projects" and self.shell.project is None:
            return "This is no project's directory, so all projects are shown."
        if name == "launch" and self.shell.project_dir is None:
            return "This is no project's directory: start trainshed in one, or with -p DIR."
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
            self.refresh_bindings()

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

    def do_command(self) -> None:
        folder, project = self.shell.project_dir or Path.cwd(), self.shell.project

        async def queue(text: str | None) -> None:
            if text:
                await self.shell.carry_out(
                    lambda shed: _execute(shed, text, folder, project), lambda run: queued([run])
                )

        about: list[Line] = [
            [span(f"It runs in {folder} once its turn has come; `gpus=0` before it: without a GPU.", "dim")]
        ]
        self.app.push_screen(Asking("queue a command", lines=about, placeholder="jupyter lab --no-browser"), queue)

    def do_sweeps(self) -> None:
        from screens.sweeps import Sweeps

        self.app.push_screen(Sweeps())

    def do_all_projects(self) -> None:
        self.all_projects = not self.all_projects
        self.refetch()

    @on(Grid.Moved)
    def _moved(self, event: Grid.Moved) -> None:
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(RESTING_S, self._rested)

    def _rested(self) -> None:
        """The cursor stays where it is: the run under it is shown, and the curves of those in view."""
        grid = self.query_one(Grid)
        self.query_one(Glance).show_run(int(str(grid.key)) if grid.key is not None else None)
        if grid.view != (self._found.asked.in_view if self._found is not None else None):
            self.refetch()

    @on(Grid.Chosen)
    def _open(self, event: Grid.Chosen) -> None:
        self.shell.open_thing(str(event.key))

    @on(Grid.Wanted)
    def _more(self, event: Grid.Wanted) -> None:
        self._window = (event.first, event.count)
        self.refetch()


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


def _execute(shed: Shed, text: str, folder: Path, project: str | None) -> Launched:
    from runners.actions import queueing
    from storage.errors import UsageError

    try:
        words = shlex.split(text)
    except ValueError as err:
        raise UsageError(f"{text}: {err}") from None
    gpus = 1
    if words and words[0].startswith("gpus=") and words[0][5:].isdigit():
        gpus = int(words.pop(0)[5:])
    return queueing.execute(shed, words, cwd=folder, project=project, wanted=queueing.Wanted(gpus=gpus))
