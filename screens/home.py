"""1 Home: is everything all right, and what needs me?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll

from screens import figures
from screens.acting import bindings
from screens.dialogs import Agreeing, Reading
from screens.home_lists import (
    LATELY,
    NEEDS,
    PRODUCTION,
    QUEUED,
    RUNNING,
    ended_row,
    key_of,
    need_row,
    nothing_yet,
    queued_row,
    serving_row,
    working_row,
)
from screens.ink import Span, span
from screens.view import View
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.home_panes import Digest, MachinePane

if TYPE_CHECKING:
    from runners.actions.gpus import Overview
    from runners.actions.home import Home, Need
    from storage.shed import Shed

DIGEST_LINES = 9
READING_S = 20.0  # whoever stays so long has seen what happened


@dataclass(frozen=True)
class Found:
    """Home as it was read, and who holds the devices."""

    home: Home
    devices: Overview | None


class HomeView(View[float | None, Found]):
    """Panes for what needs somebody, what runs, what waits; the machine, production and the digest beside them."""

    PLACE = "home"
    VIEW = "home"
    CSS_PATH = "styles/home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("home")]

    def __init__(self) -> None:
        super().__init__()
        self._since: float | None = None
        self._newcomer = False
        self._found: Found | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="all", can_focus=False):
            with Vertical(id="left"):
                with Vertical(classes="pane", id="needs") as box:
                    box.border_title = "needs you"
                    yield Grid(header=False, opens=True)
                with Vertical(classes="pane", id="running") as box:
                    box.border_title = "running"
                    yield Grid(header=False, opens=True)
                with Vertical(classes="pane", id="queued") as box:
                    box.border_title = "queued"
                    yield Grid(header=False, opens=True)
                with Vertical(classes="pane", id="lately") as box:
                    box.border_title = "lately"
                    yield Grid(header=False, opens=True)
            with Vertical(id="right"):
                with Container(classes="pane", id="machine") as pane:
                    pane.border_title = "machine"
                    yield MachinePane()
                with Vertical(classes="pane", id="production") as box:
                    box.border_title = "in production"
                    yield Grid(header=False, opens=True)
                with Container(classes="pane", id="digest") as pane:
                    yield Digest()

    def on_mount(self) -> None:
        self.query_one("#running Grid", Grid).focus()

    # -- reading

    def question(self) -> float | None:
        return self._since

    def answer(self, shed: Shed, question: float | None) -> Found:
        from runners.actions import gpus, home
        from storage.errors import TrainshedError

        found = home.home(shed, since=question)
        try:
            devices = gpus.overview(shed)
        except TrainshedError:
            devices = None
        return Found(found, devices)

    def show(self, answer: Found) -> None:
        first = self._found is None
        self._found = answer
        if first:
            self._since, self._newcomer = answer.home.digest.since, answer.home.digest.first
            self.set_timer(READING_S, lambda: self.run_worker(self._seen(answer.home)))
        self._draw()
        if first:
            self._focus_first()

    async def _seen(self, found: Home) -> None:
        """The next digest begins where this one ends."""
        from runners.actions import digest
        from screens.threads import beside

        shed = self.shell.shed
        if shed is not None:
            await beside(lambda: digest.mark_seen(shed, found.digest))

    def _focus_first(self) -> None:
        for name in ("needs", "running", "queued", "lately", "production"):
            grid = self.query_one(f"#{name} Grid", Grid)
            if grid.total:
                grid.focus()
                return

    def _draw(self) -> None:
        found = self._found
        if found is None:
            return
        now, home = time.time(), found.home
        self.query_one("#running Grid", Grid).empty = nothing_yet(home, self.shell.project)
        self.query_one("#production Grid", Grid).empty = [
            [Span("no model yet: a run that passes its gate makes one", "dim")]
        ]
        self._pane("needs", f"needs you ({len(home.needs)})", [need_row(need, now) for need in home.needs], NEEDS)
        working = [working_row(each, now) for each in home.at_work]
        self._pane("running", f"running ({len(home.at_work)})", working, RUNNING)
        waits = [outlook.starts_in for _, outlook in home.waiting if outlook.starts_in is not None]
        first = f" · the first starts in ~{figures.duration(round(waits[0].likely))}" if waits else ""
        queued = [queued_row(entry, outlook) for entry, outlook in home.waiting]
        self._pane("queued", f"queued ({len(home.waiting)}){first}", queued, QUEUED)
        self._pane("lately", "lately", [ended_row(row, now) for row in home.lately], LATELY)
        self._draw_production(home, now)
        self.query_one("#needs").display = bool(home.needs)
        self.query_one("#queued").display = bool(home.waiting)
        self.query_one("#lately").display = bool(home.lately)
        here = f"since you were here {figures.ago(home.digest.since, now)}"
        self.query_one("#digest").border_title = "the last day" if self._newcomer else here
        told = [(each.kind, each.text) for each in home.digest.shown(DIGEST_LINES) if each.kind != "queue"]
        self.query_one(Digest).show(told)
        self.query_one(MachinePane).show(found.devices)

    def _pane(self, name: str, title: str, rows: list[Row], columns: list[Column]) -> None:
        self.query_one(f"#{name}").border_title = title
        self.query_one(f"#{name} Grid", Grid).show(rows, columns=columns)

    def _draw_production(self, home: Home, now: float) -> None:
        pulse = self.shell.pulse
        rates = [
            pulse.rate(each.endpoint.name) if pulse is not None and each.endpoint is not None else None
            for each in home.production
        ]
        rows = [serving_row(each, now, rate) for each, rate in zip(home.production, rates, strict=True)]
        self._pane("production", "in production", rows, PRODUCTION)

    def pulse_felt(self) -> None:
        if self._found is not None:
            self._draw_production(self._found.home, time.time())

    def tick(self) -> None:
        self._draw()

    def machine_seen(self) -> None:
        self.query_one(MachinePane).repaint()

    # -- actions

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        kind, _, subject = str(event.key).partition(":")
        if kind in ("run", "model"):
            self.shell.open_thing(subject)
        elif kind == "alert":
            self.run_worker(self._show_alert(int(subject)))
        elif kind == "firing":
            self._ask_about(int(subject))
        elif kind == "endpoint":
            self.run_worker(self._show_endpoint(subject))

    async def _show_alert(self, number: int) -> None:
        from screens.threads import beside
        from screens.triggered import alert_told
        from storage.read import alerts

        shed = self.shell.shed
        if shed is not None:
            alert = await beside(lambda: alerts.alert(shed, number))
            self.app.push_screen(Reading(f"alert {number}: a acknowledges it", lambda width: alert_told(alert, width)))

    async def _show_endpoint(self, name: str) -> None:
        from screens.serving import Serving

        await self.shell.switch_mode("serving")
        if isinstance(self.shell.screen, Serving):
            self.shell.screen.go_to(name)

    def _ask_about(self, firing: int) -> None:
        """A trigger waits for a person: yes launches what it wants."""
        need = self._need

        def answered(agreed: str | None) -> None:
            if agreed is not None:
                self.run_worker(
                    self.shell.carry_out(lambda shed: _approve(shed, firing), "approved: its run is launched")
                )

        told = [[span(need.text if need is not None else "")], [], [Span("Yes launches the run that it wants.", "dim")]]
        self.app.push_screen(Agreeing("a trigger asks", told, verb="approve it"), answered)

    @property
    def _need(self) -> Need | None:
        key = self.query_one("#needs Grid", Grid).key
        needs = self._found.home.needs if self._found is not None else []
        return next((need for need in needs if key_of(need) == key), None)

    def why_not(self, name: str) -> str:
        if name == "back":
            return "This is the view itself; q leaves."
        if name == "acknowledge" and (self._need is None or self._need.kind != "alert"):
            return "There is no alert under the cursor of “needs you”."
        return super().why_not(name)

    def do_acknowledge(self) -> None:
        need = self._need
        if need is not None:
            number = int(need.subject)
            self.run_worker(self.shell.carry_out(lambda shed: _acknowledge(shed, number), "acknowledged"))

    def do_tour(self) -> None:
        from screens.tour import Tour

        self.app.push_screen(Tour())

    def do_next(self) -> None:
        self.screen.focus_next(Grid)

    def do_previous(self) -> None:
        self.screen.focus_previous(Grid)


def _acknowledge(shed: Shed, number: int) -> None:
    from runners.actions import alerts

    alerts.acknowledge(shed, [number])


def _approve(shed: Shed, firing: int) -> None:
    from runners.actions import triggers

    triggers.approve(shed, firing)
