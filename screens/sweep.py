"""A sweep: which params are better, and which of them make the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.charts.parallel import Dimension, dimension
from screens.glyphs import glyph, role_of
from screens.ink import Line, Span, escaped, joined, padded, span
from screens.marking import Marking
from screens.run_table import brief
from screens.sections.charts import shown
from screens.sweeping import Sweeping
from screens.widgets.chart import Chart
from screens.widgets.drawing import Drawing
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.curves import Along, Drawable
    from runners.actions.sweeps import SweepDetails, TrialDetails
    from storage.errors import TrainshedError
    from storage.shed import Shed
    from storage.tables import Sweep

DRAWINGS = {"curves": "curves", "scatter": "param against metric", "parallel": "all at once"}
MOST_CURVES = 40  # of the best trials and those at work
BAR = 24
LEAST_LINES = 16  # with fewer, trials and drawing take turns


@dataclass(frozen=True)
class Asked:
    """How the trials are drawn; `before` is what was known of the sweep."""

    columns: int
    along: Along
    zoom: tuple[float, float] | None
    before: SweepDetails | None


@dataclass(frozen=True)
class Found:
    """The sweep, and the curves of its metric: the best trials last, so that they lie on top."""

    details: SweepDetails
    curves: list[Drawable]
    trials: list[int]  # of the curves


class Importance(Painted):
    """A bar a param: its share of what made the difference."""

    DEFAULT_CSS = "Importance { height: auto; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="importance")
        self._shares: dict[str, float] = {}

    def show(self, shares: dict[str, float]) -> None:
        self._shares = dict(shares)
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        if not self._shares:
            return [[Span("told once four trials are done", "faint")]]
        wide = min(24, max(len(name) for name in self._shares))
        room = max(4, min(BAR, width - wide - 8))
        return [
            [
                *padded([span(name)], wide),
                Span("  "),
                Span("▇" * max(1, round(room * share)), "curve0"),
                Span(f" {share:.0%}".replace("%", " %"), "dim"),
            ]
            for name, share in self._shares.items()
        ]


class SweepPage(Marking[Asked, Found], Sweeping[Asked, Found]):
    """Trials on the left with what made the difference below, drawings of them on the right."""

    PLACE = "sweep"
    VIEW = "runs"
    CSS_PATH = "styles/sweep.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("sweep")]

    def __init__(self, sweep_id: int) -> None:
        super().__init__()
        self._sweep_id = sweep_id
        self._found: Found | None = None
        self._drawing = "curves"
        self._drawn = False  # where there is room for one of them: whether it is the drawing, and not the trials
        self._by_value, self._turned_round = False, False
        self._grown = 0

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="left"):
                with Vertical(classes="pane", id="trials") as box:
                    box.border_title = f"sweep {self._sweep_id}"
                    yield Grid(scrolls_columns=True, opens=True, empty=[[], [Span("No trial has begun yet.", "dim")]])
                with Vertical(classes="pane", id="shares") as box:
                    box.border_title = "what made the difference"
                    yield Importance()
            with Vertical(classes="pane", id="picture"):
                yield Chart(id="overlay")
                yield Drawing()

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def on_resize(self) -> None:
        self.set_class(self.size.height < LEAST_LINES, "-tiny")
        self._draw()

    # -- reading

    def question(self) -> Asked:
        chart = self.query_one(Chart)
        before = self._found.details if self._found is not None else None
        return Asked(chart.columns, chart.along, chart.picture.zoom, before)

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import curves, sweeps

        details = sweeps.details(shed, self._sweep_id, question.before)
        drawn = _drawn_trials(details)
        asks = [curves.Ask(each.row.trial.run_id or 0, details.search.metric) for each in drawn]
        found = curves.drawable(shed, asks, question.columns, along=question.along, window=question.zoom)
        return Found(details, found, [each.row.trial.number for each in drawn])

    def show(self, answer: Found) -> None:
        self._found = answer
        self._draw()

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if self._found is None:
            self.dismiss()  # there is no such sweep

    def _draw(self) -> None:
        found = self._found
        if found is None:
            return
        details = found.details
        sweep, search, box = details.sweep, details.search, self.query_one("#trials")
        ended = sum(number for word, number in details.counts.items() if word not in ("queued", "running"))
        told = [f"sweep {sweep.id}", sweep.status, f"{ended} of {search.trials} trials"]
        told += [f"{details.counts['pruned']} pruned"] if details.counts.get("pruned") else []
        if sweep.name != f"sweep-{sweep.id}":
            told.insert(1, sweep.name)
        box.border_title = escaped(" · ".join(told))
        order = ("by what they came to" if self._by_value else "by trial") + (" ▼" if self._turned_round else " ▲")
        marks = [self.told_marks] if self.marked else []
        saved = [f"saved about {figures.about(details.saved_s).lstrip('~')}"] if details.saved_s >= 1 else []
        box.border_subtitle = escaped(" · ".join([*([sweep.reason] if sweep.reason else []), *marks, *saved, order]))
        names = list(search.space)
        columns = [
            Column("trial", "l", least=5),
            Column("run", "r", role="dim"),
            Column("state", least=8),
            Column(search.metric.rpartition("/")[2], "r", least=7),
            *(Column(name, "r", most=16) for name in names),
            Column("step", "r", role="dim"),
            Column("took", "r", role="dim"),
        ]
        rows = [_row(each, names, marked=each.row.trial.run_id in self.marked) for each in self._ordered(details)]
        self.query_one(Grid).show(rows, columns=columns)
        self.query_one(Importance).show(details.importance)
        self._draw_picture()

    def _ordered(self, details: SweepDetails) -> list[TrialDetails]:
        trials = list(details.trials)
        if self._by_value:
            known = [each for each in trials if _value(each) is not None]
            down = details.search.direction == "maximize"
            known.sort(key=lambda each: _value(each) or 0.0, reverse=down != self._turned_round)
            return known + [each for each in trials if _value(each) is None]
        return trials[::-1] if self._turned_round else trials

    def _draw_picture(self) -> None:
        found, chart, drawing = self._found, self.query_one(Chart), self.query_one(Drawing)
        if found is None:
            return
        chart.display = self._drawing == "curves"
        drawing.display = not chart.display
        box = self.query_one("#picture")
        box.border_title, box.border_subtitle = DRAWINGS[self._drawing], "tab: another drawing"
        if chart.display:
            self._draw_curves(found)
        else:
            self._draw_numbers(found.details)

    @property
    def _under(self) -> TrialDetails | None:
        key = self.query_one(Grid).key
        trials = self._found.details.trials if self._found is not None else []
        return next((each for each in trials if each.row.trial.number == key), None)

    def _draw_curves(self, found: Found) -> None:
        chart = self.query_one(Chart)
        less = found.details.search.direction == "minimize"
        under = self._under.row.trial.number if self._under is not None else -1
        told = [
            (number == under, shown(curve, f"{number}", less, number))
            for number, curve in zip(found.trials, found.curves, strict=True)
            if curve.x
        ]
        chart.picture.title = found.details.search.metric
        along = found.curves[0].along if found.curves else "step"
        growing = found.details.sweep.status == "running"
        chart.show([curve for _, curve in sorted(told, key=lambda pair: pair[0])], x_name=along, growing=growing)

    def _draw_numbers(self, details: SweepDetails) -> None:
        under = self._under.row.trial.number if self._under is not None else -1
        trials = sorted(details.trials, key=lambda each: each.row.trial.number == under)  # it lies on top
        metric = dimension(details.search.metric, [_value(each) for each in trials])
        names = list(dict.fromkeys([*details.importance, *details.search.space]))
        params = [dimension(name, [_number(each.row.trial.params.get(name)) for each in trials]) for name in names]
        params = [each for each in params if len({value for value in each.values if value is not None}) > 1]
        place = self.query_one(Grid).column - 4
        chosen = list(details.search.space)[place] if 0 <= place < len(details.search.space) else ""
        params.sort(key=lambda each: each.name != chosen)  # the column under the cursor leads
        drawn: list[Dimension] = [*params[:1], metric] if self._drawing == "scatter" else [*params[:8], metric]
        roles = [
            "attention bold"
            if each.row.trial.number == under
            else "done bold"
            if each.best
            else role_of(each.row.trial.status)
            if each.row.trial.status != "done"
            else "curve0"
            for each in trials
        ]
        self.query_one(Drawing).show(self._drawing, drawn if params else [], roles)

    @on(Grid.Moved)
    def _moved(self) -> None:
        self._draw_picture()

    @on(Grid.Aside)
    def _aside(self) -> None:
        self._draw_picture()

    @on(Grid.Chosen)
    def _chosen(self) -> None:
        under = self._under
        if under is not None and under.row.trial.run_id is not None:
            self.shell.open_thing(str(under.row.trial.run_id))

    @on(Chart.Turned)
    def _turned(self) -> None:
        self.refetch()

    def look(self) -> None:
        from runners.actions import curves

        shed, found = self.shell.shed, self._found
        if shed is None or found is None:
            return
        live = [each.row.trial.run_id for each in found.details.trials if each.row.trial.status == "running"]
        size = sum(curves.size(shed, run_id) for run_id in live if run_id is not None)
        if size != self._grown:
            self._grown = size
            self.refetch()

    def tick(self) -> None:
        self._draw()

    @property
    def sweep(self) -> Sweep | None:
        return self._found.details.sweep if self._found is not None else None

    @property
    def best_run(self) -> int | None:
        best = self._found.details.best if self._found is not None else None
        return best.row.trial.run_id if best is not None else None

    # -- actions

    @property
    def under(self) -> int | None:
        each = self._under
        return each.row.trial.run_id if each is not None and each.row.run is not None else None

    def marks_changed(self) -> None:
        self._draw()

    def do_drawing(self) -> None:
        drawings = list(DRAWINGS)
        tiny, last = self.has_class("-tiny"), self._drawing == drawings[-1]
        if not tiny or self._drawn:
            self._drawing = drawings[(drawings.index(self._drawing) + 1) % len(drawings)]
        self._drawn = not (tiny and self._drawn and last)
        self.set_class(self._drawn, "-drawn")
        if not self._drawn:
            self.query_one(Grid).focus()
        self._draw_picture()

    def do_sort(self) -> None:
        self._by_value = not self._by_value
        self._draw()

    def do_reverse(self) -> None:
        self._turned_round = not self._turned_round
        self._draw()

    def do_copy(self) -> None:
        self.shell.copy(f"trainshed sweep show {self._sweep_id}")


def _drawn_trials(details: SweepDetails) -> list[TrialDetails]:
    """Those at work, and of the others the best; the best last."""
    with_runs = [each for each in details.trials if each.row.run is not None]
    down = details.search.direction == "maximize"
    worst = float("-inf") if down else float("inf")

    def rank(each: TrialDetails) -> tuple[bool, float]:
        value = _value(each)
        value = worst if value is None else value
        return each.row.trial.status == "running", value if down else -value

    return sorted(with_runs, key=rank)[-MOST_CURVES:]


def _row(each: TrialDetails, names: list[str], *, marked: bool) -> Row:
    trial, run = each.row.trial, each.row.run
    value = _value(each)
    state: Line = [span(trial.status, role_of(trial.status))]
    if trial.status == "running" and run is not None and run.progress is not None:
        state = [Span(f"{run.progress:.0%}".replace("%", " %"), "running")]
    cells: tuple[Line, ...] = (
        joined([[glyph(trial.status)], [Span(str(trial.number), "done bold" if each.best else "")]], " "),
        [Span(str(trial.run_id or ""))],
        state,
        [
            Span("" if value is None else figures.number(value), "done bold" if each.best else ""),
            Span(" ★" if each.best else "  ", "done"),
        ],
        *([span(brief(_text(trial.params.get(name))))] for name in names),
        [Span("" if trial.last_step is None else f"{trial.last_step:,}")],
        [Span("" if run is None or run.seconds is None else figures.duration(run.seconds))],
    )
    return Row(trial.number, cells, marked=marked)


def _value(each: TrialDetails) -> float | None:
    """What it came to, or where it is now."""
    return each.row.trial.value if each.row.trial.value is not None else each.row.latest


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
