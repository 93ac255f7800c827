"""Charts of what a run logs, and of what it costs the machine; they follow while it is at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult

from screens.charts.grouping import grouped, short, systems
from screens.charts.plot import Shown
from screens.ink import Line, Span, folded
from screens.sections import Section
from screens.widgets.chart import Chart
from screens.widgets.painted import Painted
from screens.widgets.wall import Hung, Wall

if TYPE_CHECKING:
    from runners.actions.curves import Along, Drawable, Kind
    from screens.run import Seen
    from storage.shed import Shed

MOST = 24  # charts on one wall
OWN_NAMES = {
    "cpu/percent": "run",
    "cpu/system_percent": "machine",
    "memory/rss_bytes": "run GB",
    "memory/system_used_bytes": "machine GB",
    "disk/read_bytes_per_s": "read MB",
    "disk/write_bytes_per_s": "write MB",
}


@dataclass(frozen=True)
class Asked:
    """How the series are wanted: how fine, along which x, and of each chart which part."""

    columns: int
    along: Along
    zooms: tuple[tuple[str, tuple[float, float]], ...]


@dataclass(frozen=True)
class Found:
    """The charts with their series; `less` is whether a smaller value is better, None where nobody can say."""

    charts: list[tuple[str, list[Drawable]]]
    less: dict[str, bool | None]


class Nothing(Painted):
    """What stands where there are no curves yet."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self._lines = lines

    def paint(self, width: int, height: int) -> list[Line]:
        return [part for each in self._lines for part in folded(each, width)]


class Charts(Section):
    """Metrics."""

    NAME, LETTER = "charts", "c"
    KIND: Kind = "metrics"
    EMPTY: ClassVar[Sequence[Line]] = (
        [Span("No curves yet.", "bold")],
        [],
        [Span("run.log({…}, step=…)", "accent"), Span(" in the training code draws them here, live.", "dim")],
    )

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._along: Along = "step"

    def compose(self) -> ComposeResult:
        yield Wall()
        yield Nothing(self.EMPTY)

    def question(self) -> Asked:
        charts = self.query(Chart)
        zooms = tuple((c.picture.title, c.picture.zoom) for c in charts if c.picture.zoom is not None)
        columns = max([2 * self.size.width // 2, *(chart.columns for chart in charts)]) or 160
        return Asked(columns, self._along, zooms)

    def answer(self, shed: Shed, run_id: int, question: Asked) -> Found:
        return read(shed, run_id, question, self.KIND)

    def show(self, details: Seen, answer: Found) -> None:
        hung = [hang(title, found, answer.less) for title, found in answer.charts]
        bare = not any(chart.curves for chart in hung)
        self.set_class(bare, "-bare")
        growing = details.run.row.run.status == "running"
        self.query_one(Wall).show([] if bare else hung, growing=growing)
        if self.app.focused is None and not bare:
            self.call_after_refresh(self.begin)

    def look(self) -> None:
        self._grown()

    def _grown(self) -> None:
        page: Any = self.screen
        page.look_at_series(self.KIND)

    @on(Chart.Turned)
    def _turned(self, event: Chart.Turned) -> None:
        page: Any = self.screen
        if event.chart.along != self._along:
            self._along = event.chart.along
            for chart in self.query(Chart):
                chart.along = self._along
                chart.picture.zoom = chart.picture.cursor = chart.picture.x_axis = None
        page.refetch()


class Machine(Charts):
    """What the run costs the machine."""

    NAME, LETTER = "machine", "m"
    KIND: Kind = "system"
    EMPTY: ClassVar[Sequence[Line]] = (
        [Span("Nothing was measured yet.", "bold")],
        [],
        [Span("Once the run is at work: its processors, memory, disk and GPUs, second by second.", "dim")],
    )

    def __init__(self) -> None:
        super().__init__()
        self._along = "time"


def read(shed: Shed, run_id: int, asked: Asked, kind: Kind = "metrics", most: int = MOST) -> Found:
    """The first `most` charts of a run; the one that its gate looks at leads."""
    from runners.actions import comparison, curves
    from storage.read import runs as read_runs

    names = curves.names(shed, run_id, kind)
    gate = read_runs.run(shed, run_id).spec.get("gate") or {}
    zooms = dict(asked.zooms)
    plan = grouped(names, gate.get("metric")) if kind == "metrics" else systems(names)
    charts = []
    for title, wanted in plan[:most]:
        asks = [curves.Ask(run_id, name, kind) for name in wanted]
        found = curves.drawable(shed, asks, asked.columns, along=asked.along, window=zooms.get(title))
        charts.append((title, found))
    less = {name: comparison.less_is_better(name, gate) for name in names} if kind == "metrics" else {}
    return Found(charts, less)


def hang(title: str, found: list[Drawable], less: dict[str, bool | None]) -> Hung:
    """A chart of these series."""
    curves = [
        shown(each, OWN_NAMES.get(each.ask.name) or short(each.ask.name, title), less.get(each.ask.name), colour)
        for colour, each in enumerate(found)
    ]
    return Hung(title, [curve for curve in curves if curve.x], found[0].along if found else "step")


def shown(found: Drawable, name: str, less: bool | None, colour: int) -> Shown:
    """A series as one curve of a chart."""
    scale = _scale(found.ask.name)
    best = None if less is None else (found.lowest if less else found.highest)
    return Shown(
        name,
        found.x,
        [value / scale for value in found.low],
        [value / scale for value in found.high],
        None if found.last is None else found.last / scale,
        found.broken,
        "" if less is None else ("▼" if less else "▲"),
        best,
        colour,
    )


def _scale(name: str) -> float:
    """Bytes are drawn as gigabytes, and megabytes a second."""
    if name.endswith("_bytes_per_s"):
        return 1e6
    return 1e9 if name.endswith("_bytes") else 1.0
