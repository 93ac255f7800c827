"""6 Serving: is it healthy, and who is it answering?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.endpoint_verbs import EndpointVerbs
from screens.ink import Line, Span, escaped, line, span
from screens.predicted import cells_of, columns_of
from screens.rollout_verbs import RolloutVerbs
from screens.threads import beside
from screens.view import View
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.health import Health, sign
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.canaries import Standing
    from runners.actions.endpoints import EndpointStatus
    from runners.actions.monitoring import Monitored
    from runners.actions.predictions import Prediction
    from storage.shed import Shed

SHOWN = 100  # predictions
DRIFTED = 8  # columns, beside the rest
DAY_EVERY_S = 60.0
NEWS_S = 2.0  # between two looks at what was predicted

EMPTY: list[Line] = [
    [],
    [Span("Nothing is served yet.", "bold")],
    [],
    [Span("An endpoint answers requests with the version that an alias names,", "dim")],
    [Span("and follows it: a promotion or a rollback swaps it, no request fails.", "dim")],
    [],
    line(Span("n", "accent"), Span("                                 serves a model", "dim")),
    line(Span("trainshed endpoints start MODEL", "accent"), Span("   does the same", "dim")),
]
ALONE: list[Line] = [
    [Span("No prediction yet.", "dim")],
    line(Span("y", "accent"), Span(" copies a request to try: put a token in", "dim")),
]


@dataclass(frozen=True)
class Found:
    """All endpoints; what the one that is looked at predicted lately, and what it serves beside its own version."""

    endpoints: list[EndpointStatus]
    name: str | None
    latest: list[Prediction]
    size: tuple[int, int]
    rollout: Standing | None = None


class Serving(EndpointVerbs, RolloutVerbs, View[str | None, Found]):
    """Endpoints, how the one under the cursor does, and its predictions as they come."""

    PLACE = "serving"
    VIEW = "serving"
    CSS_PATH = "styles/serving.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("serving")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._looked_at = 0.0
        self._goal: str | None = None
        self._day: tuple[str, float] = ("", 0.0)  # whose last day is shown, and when it was looked at

    def body(self) -> ComposeResult:
        with Horizontal(classes="panes"):
            with Vertical(classes="pane", id="list") as box:
                box.border_title = "endpoints"
                yield Grid(id="endpoints", header=False, opens=True)
            with Vertical(id="detail"):
                with Container(classes="pane", id="health"):
                    yield Health()
                with Vertical(classes="pane", id="latest") as box:
                    box.border_title = "latest predictions"
                    yield Grid(id="predictions", empty=ALONE, opens=True)
            with Vertical(classes="pane", id="day") as box:
                box.border_title = "the last day"
                yield Lines(empty="looking …")

    def on_mount(self) -> None:
        self.query_one("#endpoints", Grid).focus()

    # -- reading

    def question(self) -> str | None:
        key = self.query_one("#endpoints", Grid).key
        return str(key) if key is not None else None

    def answer(self, shed: Shed, question: str | None) -> Found:
        from runners.actions import canaries, endpoints, predictions

        every = sorted(endpoints.every(shed), key=lambda each: (each.state == "stopped", each.name))
        names = [each.name for each in every]
        name = question if question in names else next(iter(names), None)
        if name is None:
            return Found([], None, [], (0, 0))
        size = predictions.size(shed, name)
        return Found(every, name, predictions.latest(shed, name, SHOWN), size, canaries.standing(shed, name))

    def show(self, answer: Found) -> None:
        self._found = answer
        self._looked_at = time.monotonic()
        self.set_class(not answer.endpoints, "-empty")
        self._show_list()
        if self._goal is not None:
            self.go_to(self._goal)
        self._show_health()
        self._show_latest()
        due = self._day[0] != answer.name or time.monotonic() - self._day[1] > DAY_EVERY_S
        if answer.name is not None and due and self.query_one("#day").display:
            self._day = (answer.name, time.monotonic())
            self.run_worker(self._look_at_day(answer.name), group="day", exclusive=True)

    def _show_list(self) -> None:
        found, grid = self._found, self.query_one("#endpoints", Grid)
        if found is None:
            return
        columns = [Column("", width=1), Column("", grow=True, most=30), Column(""), Column("", "r", rank=5)]
        grid.show([self._row(each) for each in found.endpoints], columns=columns)

    def _row(self, each: EndpointStatus) -> Row:
        rate = self.shell.pulse.rate(each.name) if self.shell.pulse is not None else None
        told = f"{rate.requests:.3g} req/s" if rate is not None and each.state == "serving" else each.state
        version = f"v{each.version}" if each.version is not None else ""
        return Row(each.name, ([sign(each.state)], [span(each.name, "bold")], [Span(version)], [Span(told, "dim")]))

    def go_to(self, name: str) -> None:
        """Put the cursor on this endpoint, now or when it has been read."""
        self._goal = None if self.query_one("#endpoints", Grid).move_to_key(name) else name

    def _show_health(self) -> None:
        endpoint = self.endpoint
        box = self.query_one("#health")
        box.border_title = escaped(endpoint.name) if endpoint is not None else "serving"
        box.border_subtitle = escaped(f"{endpoint.user} on {endpoint.host}") if endpoint is not None else ""
        self.query_one(Health).show(endpoint, EMPTY, rollout=self.rollout)

    def _show_latest(self) -> None:
        found = self._found
        if found is None:
            return
        now = time.time()
        grid = self.query_one("#predictions", Grid)
        at_top = grid.cursor == 0 and not grid.has_focus
        grid.show([Row((each.id, each.row), cells_of(each, now)) for each in found.latest], columns=columns_of())
        if at_top:
            grid.move_to(0)  # the newest come in at the top, and are seen there
        newest = found.latest[0].at if found.latest else None
        self.query_one("#latest").border_subtitle = figures.ago(newest, now) if newest is not None else ""

    def look(self) -> None:
        found, shed = self._found, self.shell.shed
        if found is None or found.name is None or shed is None or time.monotonic() - self._looked_at < NEWS_S:
            return
        from runners.actions import predictions

        self._looked_at = time.monotonic()
        if predictions.size(shed, found.name) != found.size:
            self.refetch()

    def pulse_felt(self) -> None:
        self._show_list()
        self.query_one(Health).repaint()

    def tick(self) -> None:
        self.refetch()

    async def _look_at_day(self, name: str) -> None:
        """Beside the rest, where there is room for it: it takes about a second."""
        from screens.monitor import drift_told, histogram_told
        from storage.errors import TrainshedError

        shed = self.shell.shed
        if shed is None:
            return
        try:
            found = await beside(lambda: _monitored(shed, name))
        except TrainshedError:
            return  # its page, by m, says why
        if self._found is None or self._found.name != name:
            return

        def told(width: int) -> list[Line]:
            lines: list[Line] = [[Span("input drift, the likely most harmful first", "dim")]]
            lines += drift_told(found.drift, width, DRIFTED) or [[Span("none can be told yet", "faint")]]
            if found.predictions is not None:
                lines += [[], [Span("predictions now, and when it was evaluated", "dim")]]
                lines += histogram_told(found.predictions, width)
            return [*lines, [], line(Span("m", "accent"), Span(" more, and performance", "dim"))]

        self.query_one("#day Lines", Lines).flow(told)

    @on(Grid.Moved, "#endpoints")
    def _moved(self) -> None:
        if self._found is not None and self.question() != self._found.name:
            self.refetch()

    @on(Grid.Chosen, "#endpoints")
    def _endpoint_chosen(self) -> None:
        self.query_one("#predictions", Grid).focus()

    @on(Grid.Chosen, "#predictions")
    def _prediction_chosen(self) -> None:
        self._open_prediction()

    # -- what is chosen

    @property
    def endpoint(self) -> EndpointStatus | None:
        found = self._found
        return next((each for each in found.endpoints if each.name == found.name), None) if found is not None else None

    @property
    def rollout(self) -> Standing | None:
        return self._found.rollout if self._found is not None else None

    @property
    def prediction(self) -> Prediction | None:
        key = self.query_one("#predictions", Grid).key
        latest = self._found.latest if self._found is not None else []
        return next((each for each in latest if (each.id, each.row) == key), None)

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "back" and not self.query_one("#predictions", Grid).has_focus:
            return "This is the view itself; q leaves."
        if name in ("walk_back", "explain") and self.prediction is None:
            return "There is no prediction yet."
        if name == "label" and self.shell.project_dir is None:
            return "Labels belong to a project: start trainshed in its directory, or with -p DIR."
        if name == "label" and (self.endpoint is None or self.endpoint.model != self.shell.project):
            return f"Only predictions of this project, {self.shell.project}, are labelled here."
        if name == "monitor" and self.endpoint is None:
            return "There is no endpoint yet: n serves a model."
        return super().why_not(name)

    def do_back(self) -> None:
        self.query_one("#endpoints", Grid).focus()

    def do_next(self) -> None:
        self.focus_next(Grid)

    def do_previous(self) -> None:
        self.focus_previous(Grid)

    def do_explain(self) -> None:
        self._open_prediction()

    def do_label(self) -> None:
        from screens.labelling import LabellingPage

        assert self.shell.project_dir is not None and self.endpoint is not None  # why_not has seen to it
        self.app.push_screen(LabellingPage(self.shell.project_dir, self.endpoint.name))

    def do_monitor(self) -> None:
        from screens.monitor import MonitorPage

        assert self.endpoint is not None  # why_not has seen to it
        self.app.push_screen(MonitorPage(self.endpoint.name))

    def do_walk_back(self) -> None:
        self._open_prediction(origin=True)

    def _open_prediction(self, *, origin: bool = False) -> None:
        prediction, endpoint = self.prediction, self.endpoint
        if prediction is not None and endpoint is not None:
            from screens.prediction import PredictionPage

            self.app.push_screen(PredictionPage(endpoint.name, prediction, origin=origin))


def _monitored(shed: Shed, name: str) -> Monitored:
    from runners.actions import monitoring

    return monitoring.monitor(shed, name)
