"""Sweeps: the searches over params that there were, and the key that begins one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens import figures
from screens.acting import bindings
from screens.dialogs import Asking
from screens.glyphs import glyph, role_of
from screens.ink import Line, Span, escaped, line, span
from screens.sweeping import Sweeping, begun
from screens.threads import beside
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from runners.actions.prospects import ProjectSpec
    from runners.actions.sweeping import Started
    from runners.actions.sweeps import Listed
    from storage.shed import Shed
    from storage.tables import Sweep

ENDED = ("done", "pruned", "failed", "stopped")
EXAMPLE = "trials=20 parallel=2 sampler=random lr=0.001"


class Sweeps(Sweeping[str | None, "list[Listed]"]):
    """The newest sweeps of the project, or of all where this is none."""

    PLACE = "sweeps"
    VIEW = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("sweeps")]

    def __init__(self) -> None:
        super().__init__()
        self._found: list[Listed] = []

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="list") as box:
            box.border_title = "sweeps"
            yield Grid(empty=EMPTY, opens=True)

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def question(self) -> str | None:
        return self.shell.project

    def answer(self, shed: Shed, question: str | None) -> list[Listed]:
        from runners.actions import sweeps

        return sweeps.listing(shed, project=question)

    def show(self, answer: list[Listed]) -> None:
        self._found = answer
        self.query_one("#list").border_title = escaped(" · ".join(["sweeps", *filter(None, [self.shell.project])]))
        columns = [
            Column("", width=1),
            Column("sweep", "r"),
            Column("name", grow=True, least=8, most=40),
            Column("status", least=7, rank=8),
            Column("trials", "r", rank=7),
            Column("pruned", "r", rank=2, role="dim"),
            Column("metric", rank=4, role="dim"),
            Column("best", "r", rank=6),
            Column("user", rank=1, role="dim"),
            Column("began", "r", rank=3, role="dim"),
        ]
        self.query_one(Grid).show([_row(*each) for each in answer], columns=columns)

    def tick(self) -> None:
        self.show(self._found)

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        self.shell.open_thing(f"sweep {event.key}")

    @property
    def _under(self) -> Listed | None:
        key = self.query_one(Grid).key
        return next((each for each in self._found if each[0].sweep.id == key), None)

    @property
    def sweep(self) -> Sweep | None:
        return self._under[0].sweep if self._under is not None else None

    @property
    def best_run(self) -> int | None:
        best = self._under[0].best if self._under is not None else None
        return best.run_id if best is not None else None

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "start" and self.shell.project_dir is None:
            return "This is no project's directory: start trainshed in one, or with -p DIR."
        return super().why_not(name)

    async def do_start(self) -> None:
        folder = self.shell.project_dir
        assert folder is not None  # why_not has seen to it
        spec = await beside(lambda: _project(folder))
        if spec.sweep is None:
            self.shell.say("trainshed.toml has no [sweep]: it says which params are tried.", "warning")
            return

        async def begin(text: str | None) -> None:
            if text is not None:
                self.shell.say("freezing the project: code, data, params, environment …")
                await self.shell.carry_out(lambda shed: _start(shed, folder, text), begun)

        dialog = Asking(f"start a sweep of {spec.project.name}", lines=_search_of(spec), placeholder=EXAMPLE)
        self.app.push_screen(dialog, begin)


EMPTY: list[Line] = [
    [],
    [Span("No sweeps yet.", "bold")],
    [],
    [Span("A sweep tries params, and stops early what does worse than others.", "dim")],
    line(Span("n", "accent"), Span(" begins the one that ", "dim"), "[sweep]", Span(" describes", "dim")),
    [Span("trainshed sweep start", "accent")],
]


def _row(row: Any, search: Any) -> Row:
    sweep = row.sweep
    ended = sum(row.trials.get(word, 0) for word in ENDED)
    cells: tuple[Line, ...] = (
        [glyph(sweep.status)],
        [Span(str(sweep.id), "dim")],
        [span(sweep.name)],
        [span(sweep.status, role_of(sweep.status))],
        [Span(f"{ended}/{search.trials}")],
        [Span(str(row.trials.get("pruned", "")))],
        [span(search.metric)],
        [Span(figures.number(row.best.value), "bold")] if row.best and row.best.value is not None else [],
        [span(sweep.user)],
        [Span(figures.ago(sweep.created_at))],
    )
    return Row(sweep.id, cells)


def _search_of(spec: ProjectSpec) -> list[Line]:
    """What `[sweep]` says, a line a param."""
    assert spec.sweep is not None
    lines: list[Line] = [
        line(span(name, "bold"), "  ", span(_space(each), "dim")) for name, each in spec.sweep.space.items()
    ]
    changed = Span("Nothing: as trainshed.toml says. Keys of [sweep] and fixed params may be given.", "dim")
    return [*lines, [], [changed]]


def _space(dimension: Any) -> str:
    if dimension.values is not None:
        return ", ".join(map(str, dimension.values))
    return f"{figures.number(dimension.low)} to {figures.number(dimension.high)}" + (" (log)" if dimension.log else "")


def _project(folder: Path) -> ProjectSpec:
    from runners.actions import prospects

    return prospects.project(folder)


def _start(shed: Shed, folder: Path, text: str) -> Started:
    from runners.actions import sweeping

    return sweeping.start_as(shed, folder, text.split())
