"""4 Compare: which is better, and what made the difference?"""

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
from screens.dialogs import Reading
from screens.ink import Line, Span, escaped, line, span, wrapped
from screens.run_table import brief
from screens.sections.charts import shown
from screens.view import View
from screens.widgets.chart import Chart
from screens.widgets.drawing import Drawing
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from runners.actions.comparison import Comparison, MetricRow
    from runners.actions.curves import Along, Drawable
    from storage.shed import Shed

NEWEST = 4  # runs that are compared where none is marked
DRAWINGS = ("curves", "scatter", "parallel")
Key = tuple[str, str]  # what a line is, and its name


@dataclass(frozen=True)
class Asked:
    """Which runs, and what is drawn of them."""

    run_ids: tuple[int, ...]
    project: str | None
    metric: str
    columns: int
    along: Along
    zoom: tuple[float, float] | None


@dataclass(frozen=True)
class Found:
    """The runs side by side; `curves` are of `metric`, in the order of the runs. None: fewer than two runs."""

    comparison: Comparison | None
    metric: str
    curves: list[Drawable]
    less: bool | None
    marked: bool


class Compare(View[Asked, Found]):
    """What differs on the left, one column a run; drawings of it on the right."""

    PLACE = "compare"
    VIEW = "compare"
    CSS_PATH = "styles/compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compare")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._drawing = "curves"
        self._metric = ""
        self._order: list[int] = []  # runs, left to right
        self._sorted_by: tuple[Key, bool] | None = None
        self._grown = 0

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(classes="pane", id="table"):
                yield Grid(scrolls_columns=True, opens=True, empty=EMPTY)
            with Vertical(classes="pane", id="picture"):
                yield Chart(id="overlay")
                yield Drawing()

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    # -- reading

    def question(self) -> Asked:
        chart = self.query_one(Chart)
        return Asked(
            tuple(self.shell.marked), self.shell.project, self._metric, chart.columns, chart.along, chart.picture.zoom
        )

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import comparison, curves
        from storage.read import runs as read_runs

        ids = list(question.run_ids)
        marked = len(ids) >= 2
        if not marked:
            rows = read_runs.page(shed, "status!=queued", limit=NEWEST, project=question.project)
            ids = list(dict.fromkeys([*ids, *(row.run.id or 0 for row in rows)]))
        if len(ids) < 2:
            return Found(None, "", [], None, marked)
        found = comparison.compare(shed, ids[: comparison.MOST], contents=False)
        gate = next((row.run.spec.get("gate") for row in found.runs if row.run.spec.get("gate")), None) or {}
        wanted = question.metric or str(gate.get("metric") or "")
        asks = [curves.Ask(row.run.id or 0, _series(curves.names(shed, row.run.id or 0), wanted)) for row in found.runs]
        drawn = curves.drawable(shed, asks, question.columns, along=question.along, window=question.zoom)
        names = [ask.name for ask in asks if ask.name]
        less = comparison.less_is_better(names[0], gate) if names else None
        return Found(found, names[0] if names else wanted, drawn, less, marked)

    def show(self, answer: Found) -> None:
        self._found = answer
        comparison = answer.comparison
        ids = [row.run.id or 0 for row in comparison.runs] if comparison is not None else []
        if set(ids) != set(self._order):
            self._order = ids
        self._draw()

    def _draw(self) -> None:
        found, grid, box = self._found, self.query_one(Grid), self.query_one("#table")
        if found is None:
            return
        comparison = found.comparison
        if comparison is None:
            grid.show([])
            box.border_title = "compare"
            self._draw_picture()
            return
        places = {row.run.id or 0: place for place, row in enumerate(comparison.runs)}
        order = [places[run_id] for run_id in self._order]
        named = len({row.run.name for row in comparison.runs}) > 1  # a name that all have tells nothing
        columns = [Column("", most=34, least=14)]
        for place in order:
            run = comparison.runs[place].run
            head = f"{run.id} {run.name}"[:18] if named else f"run {run.id}"
            columns.append(Column(head, "r", most=18, least=8, head=f"curve{place % 8}"))
        grid.show(_rows(comparison, order), columns=columns)
        one = f"run {self.shell.marked[0]} and the newest" if self.shell.marked else "none marked: the newest"
        box.border_title = escaped(f"{len(order)} runs" + ("" if found.marked else f" · {one}"))
        told = [f"by {self._sorted_by[0][1]}"] if self._sorted_by else []
        told += [] if found.marked else ["space in Runs (3) marks others"]
        box.border_subtitle = escaped(" · ".join(told))
        self._draw_picture()

    def _draw_picture(self) -> None:
        found, chart, drawing = self._found, self.query_one(Chart), self.query_one(Drawing)
        metric = self._without_curve
        chart.display = self._drawing == "curves" and metric is None
        drawing.display = not chart.display
        box = self.query_one("#picture")
        titles = {"curves": "curves", "scatter": "param against metric", "parallel": "all at once"}
        box.border_title = titles[self._drawing] if metric is None else "one metric"
        box.border_subtitle = "tab: another drawing"
        if found is None or found.comparison is None:
            chart.show([])
            drawing.show("", [], [])
            return
        if chart.display:
            self._draw_curves(found)
        elif metric is not None:
            self._draw_metric(found.comparison, metric)
        else:
            self._draw_numbers(found)

    @property
    def _without_curve(self) -> MetricRow | None:
        """The metric that curves were asked of, where runs have only its last value."""
        found = self._found
        if self._drawing != "curves" or found is None or found.comparison is None or any(c.x for c in found.curves):
            return None
        return next((each for each in found.comparison.metrics if each.name == found.metric), None)

    def _draw_metric(self, comparison: Comparison, metric: MetricRow) -> None:
        places = {row.run.id or 0: place for place, row in enumerate(comparison.runs)}
        order, roles = [places[run_id] for run_id in self._order], self._roles(comparison)
        runs = [comparison.runs[place].run for place in order]
        self.query_one(Drawing).show_metric(
            Dimension(metric.name, [metric.values[place] for place in order]),
            [f"{run.id} {run.name}" for run in runs],
            [roles[place] for place in order],
            {at for at, place in enumerate(order) if place in metric.best},
        )

    def _roles(self, comparison: Comparison) -> list[str]:
        """The colour of each run: as its column has it, bright under the cursor."""
        return [
            "attention bold" if row.run.id == self._highlit else f"curve{place % 8}"
            for place, row in enumerate(comparison.runs)
        ]

    @property
    def _highlit(self) -> int:
        """The run whose column is under the cursor; 0 for none."""
        column = self.query_one(Grid).column
        return self._order[column - 1] if 0 < column <= len(self._order) else 0

    def _draw_curves(self, found: Found) -> None:
        chart = self.query_one(Chart)
        on_top = self._highlit
        told = [shown(each, f"{each.ask.run_id}", found.less, place) for place, each in enumerate(found.curves)]
        pairs = sorted(zip(found.curves, told, strict=True), key=lambda pair: pair[0].ask.run_id == on_top)
        kept = [curve for _, curve in pairs if curve.x]
        chart.picture.title = found.metric
        chart.show(kept, x_name=found.curves[0].along if found.curves else "step")

    def _draw_numbers(self, found: Found) -> None:
        comparison = found.comparison
        assert comparison is not None
        kind, name = self._line
        metric = next((m for m in comparison.metrics if m.name == (name if kind == "metric" else found.metric)), None)
        metric = metric or next(
            (m for m in comparison.metrics if m.name.endswith("/" + found.metric.rpartition("/")[2])), None
        )
        params = [dimension(param, [_number(text) for text in values]) for param, values in comparison.params.items()]
        params = [each for each in params if len({value for value in each.values if value is not None}) > 1]
        if metric is not None:
            last = dimension(metric.name, metric.values)
            chosen = [each for each in params if kind == "param" and each.name == name] or params
            order = [*chosen[:1], last] if self._drawing == "scatter" else [*params[:8], last]
        else:
            order = params[:8]
        highlit = self._highlit
        roles = self._roles(comparison)
        if highlit:  # it lies on top
            place = next(i for i, row in enumerate(comparison.runs) if row.run.id == highlit)
            turned = [i for i in range(len(roles)) if i != place] + [place]
            order = [Dimension(each.name, [each.values[i] for i in turned], each.log) for each in order]
            roles = [roles[i] for i in turned]
        self.query_one(Drawing).show(self._drawing, order, roles)

    @property
    def _line(self) -> Key:
        """What the line under the cursor is."""
        key = self.query_one(Grid).key
        return (str(key[0]), str(key[1])) if isinstance(key, tuple) else ("", "")

    @on(Grid.Moved)
    def _moved(self) -> None:
        kind, name = self._line
        if kind == "metric" and name != self._metric:
            self._metric = name
            chart = self.query_one(Chart)
            chart.picture.x_axis = chart.picture.y_axis = chart.picture.zoom = None
            self.refetch()
        else:
            self._draw_picture()

    @on(Grid.Aside)
    def _aside(self) -> None:
        self._draw_picture()

    @on(Grid.Chosen)
    def _chosen(self) -> None:
        if self._highlit:
            self.shell.open_thing(str(self._highlit))

    @on(Chart.Turned)
    def _turned(self) -> None:
        self.refetch()

    def look(self) -> None:
        from runners.actions import curves

        shed, comparison = self.shell.shed, self._found.comparison if self._found is not None else None
        if shed is None or comparison is None:
            return
        live = [row.run.id or 0 for row in comparison.runs if row.run.status == "running"]
        size = sum(curves.size(shed, run_id) for run_id in live)
        if size != self._grown:
            self._grown = size
            self.refetch()

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "back":
            return "This is the view itself; q leaves."
        if name == "sweeps":
            return ""
        if name not in ("drawing", "sort", "reverse", "drop", "whole", "copy"):
            return super().why_not(name)
        if self._found is None or self._found.comparison is None:
            return "It takes two runs: space marks them in Runs (3), c there brings them here."
        if name == "sort" and self._line[0] not in ("metric", "param"):
            return "The cursor is on no param or metric."
        if name == "reverse" and self._sorted_by is None:
            return "There is no order to turn round: , makes one."
        if name == "drop" and not self._highlit:
            return "→ puts the cursor on a run first."
        if name == "drop" and self._highlit not in self.shell.marked:
            return "This run is not marked."
        return ""

    def do_drawing(self) -> None:
        self._drawing = DRAWINGS[(DRAWINGS.index(self._drawing) + 1) % len(DRAWINGS)]
        self._draw_picture()

    def do_sort(self) -> None:
        self._sort(self._line, descending=False)

    def do_reverse(self) -> None:
        if self._sorted_by is not None:
            self._sort(self._sorted_by[0], descending=not self._sorted_by[1])

    def _sort(self, by: Key, *, descending: bool) -> None:
        assert self._found is not None and self._found.comparison is not None
        comparison = self._found.comparison
        kind, name = by
        if kind == "metric":
            values: Sequence[object] = next(metric.values for metric in comparison.metrics if metric.name == name)
        else:
            values = [number if (number := _number(text)) is not None else text for text in comparison.params[name]]
        ids = [row.run.id or 0 for row in comparison.runs]
        known = [(value, run_id) for value, run_id in zip(values, ids, strict=True) if value is not None]
        rest = [run_id for value, run_id in zip(values, ids, strict=True) if value is None]
        known.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=descending)
        self._order = [run_id for _, run_id in known] + rest
        self._sorted_by = (by, descending)
        self._draw()

    def do_drop(self) -> None:
        self.shell.marked.remove(self._highlit)
        self.refetch()

    async def do_whole(self) -> None:
        from screens.threads import beside

        shed, ids = self.shell.shed, list(self._order)
        if shed is not None:
            lines = await beside(lambda: _contents(shed, ids))
            self.app.push_screen(Reading("code and data, against the first run", lambda width: _told(lines, width)))

    def do_sweeps(self) -> None:
        from screens.sweeps import Sweeps

        self.app.push_screen(Sweeps())

    def do_copy(self) -> None:
        self.shell.copy("trainshed runs compare " + " ".join(map(str, self._order)))


EMPTY: list[Line] = [
    [],
    [Span("Nothing to compare yet: it takes two runs.", "bold")],
    [],
    line(
        Span("3", "accent"),
        Span(" Runs, ", "dim"),
        Span("space", "accent"),
        Span(" marks runs, ", "dim"),
        Span("c", "accent"),
        Span(" puts them side by side.", "dim"),
    ),
    [],
    [Span("trainshed runs compare 1 2", "accent")],
]


def _rows(found: Comparison, order: list[int]) -> list[Row]:
    rows: list[Row] = []
    if found.params:
        rows.append(Row(("", "params"), ([Span("params that differ", "bold")],), plain=True))
        rows += [_texts("param", name, values, order, "accent") for name, values in found.params.items()]
    else:
        rows.append(Row(("", "params"), ([Span("the params are the same", "dim")],), plain=True))
    if found.metrics:
        among = [] if found.same_rows else [Span("  ★ among runs on the same test rows", "dim")]
        rows.append(Row(("", "metrics"), ([Span("metrics", "bold"), *among],), plain=True))
    for metric in found.metrics:
        cells: list[Line] = [[span(metric.name)]]
        for place in order:
            value, best = metric.values[place], place in metric.best
            text = "" if value is None else figures.number(value)
            cells.append([Span(text, "done bold" if best else ""), Span(" ★" if best else "  ", "done")])
        rows.append(Row(("metric", metric.name), tuple(cells)))
    for title, part in (("origin", found.origin), ("settings", found.settings), ("environment", found.environment)):
        if part:
            rows.append(
                Row(
                    ("", title),
                    ([Span(f"{title} that differs" if title != "settings" else "settings that differ", "bold")],),
                    plain=True,
                )
            )
            rows += [_texts(title, name, values, order, "") for name, values in part.items()]
    return rows


def _texts(kind: str, name: str, values: Sequence[str | None], order: list[int], role: str) -> Row:
    told: list[Line] = [[span(name)]]
    for place in order:
        value = values[place]
        text = "none" if value is None else brief(value) if kind == "param" else value
        told.append([span(text, role if value is not None else "faint")])
    return Row((kind, name), tuple(told))


def _series(names: list[str], wanted: str) -> str:
    """The series of a run that is meant by a metric: itself, or the one on validation rows for one on test rows."""
    if wanted in names:
        return wanted
    tail = wanted.rpartition("/")[2]
    ending = [name for name in names if name == tail or name.endswith("/" + tail)]
    best = next((name for name in ending if name.startswith(("val", "valid"))), None)
    return best or (ending[0] if ending else "")


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _contents(shed: Shed, ids: list[int]) -> list[str]:
    """How code and data differ from the first run's, as lines."""
    from runners.actions import comparison

    found = comparison.compare(shed, ids)
    lines: list[str] = []
    for code in found.code:
        lines += [f"# code of {', '.join(map(str, code.runs))} against {code.base}", *code.lines, ""]
    for data in found.data:
        lines += [f"# data of {', '.join(map(str, data.runs))}: {data.old} → {data.new}", *data.sentences, ""]
    return lines or ["code and data are the same"]


def _told(lines: list[str], width: int) -> list[Line]:
    told: list[Line] = []
    for text in lines:
        role = (
            "bold"
            if text.startswith("#")
            else "done"
            if text.startswith("+")
            else "failed"
            if text.startswith("-")
            else ""
        )
        told += wrapped(text, width, role)
    return told
