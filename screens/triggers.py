"""7 Triggers: what will happen by itself, and what did?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens.acting import bindings
from screens.dialogs import Agreeing, Reading
from screens.ink import Line, Span, escaped, folded, line, span, wrapped
from screens.triggered import (
    ALERTS,
    FIRINGS,
    TRIGGERS,
    alert_row,
    alert_told,
    alert_whole,
    evidence_told,
    firing_row,
    firing_whole,
    trigger_row,
    trigger_whole,
)
from screens.view import View
from screens.widgets.grid import Grid
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.watches import Watch
    from storage.read.triggers import FiringRow
    from storage.shed import Shed
    from storage.tables import Alert

SHOWN = 200  # firings, and alerts
LEAST_LINES = 16  # with fewer, only the lists

EMPTY: list[Line] = [
    [Span("Nothing happens by itself yet.", "bold")],
    [],
    [Span("A [[trigger]] in trainshed.toml retrains on new files, on a schedule,", "dim")],
    [Span("on drift, on worse performance or on a new commit; the gate decides", "dim")],
    [Span("what becomes of it.", "dim")],
    [],
    line(Span("n", "accent"), Span("                             takes those of this project's file", "dim")),
    line(Span("trainshed triggers add -p DIR", "accent"), Span(" does the same", "dim")),
]
NOTHING: list[Line] = [[Span("Nothing was noticed yet.", "dim")]]
CALM: list[Line] = [[Span("No alerts.", "dim")]]


@dataclass(frozen=True)
class Found:
    """Triggers, what they noticed (the newest first), alerts, and whether anybody watches."""

    watches: list[Watch]
    firings: list[FiringRow]
    alerts: list[Alert]
    watched: bool


@dataclass(frozen=True)
class Asked:
    """Whose: a project's or everybody's; and of one trigger only, where that is wanted."""

    project: str | None
    trigger: int | None


class Whole(Painted):
    """A line in full."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._told: Line = []

    def show(self, told: Line) -> None:
        self._told = told
        self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        return [*folded(self._told, width)]


class Triggers(View[Asked, Found]):
    """Triggers, under them their history, and alerts with whether they reached anybody."""

    PLACE = "triggers"
    VIEW = "triggers"
    CSS_PATH = "styles/triggers.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("triggers")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._only: int | None = None  # the trigger whose history is shown; None: of all

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="triggers-pane") as box:
            box.border_title = "triggers"
            yield Grid(id="triggers", empty=EMPTY, opens=True)
        with Vertical(classes="pane", id="history-pane") as box:
            box.border_title = "history"
            yield Grid(id="history", header=False, empty=NOTHING, opens=True)
        with Vertical(classes="pane", id="alerts-pane") as box:
            box.border_title = "alerts"
            yield Grid(id="alerts", header=False, empty=CALM, opens=True)
        yield Whole(id="whole")

    def on_mount(self) -> None:
        self.query_one("#triggers", Grid).focus()

    def on_resize(self) -> None:
        self.set_class(self.size.height < LEAST_LINES, "-tiny")

    # -- reading

    def question(self) -> Asked:
        return Asked(self.shell.project, self._only)

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import alerts, triggers, watches
        from storage.read import triggers as read_triggers

        return Found(
            watches.every(shed, project=question.project),
            read_triggers.history(
                shed,
                trigger_id=question.trigger,
                project=None if question.trigger is not None else question.project,
                limit=SHOWN,
            ),
            alerts.listing(shed, project=question.project, limit=SHOWN),
            triggers.watched(shed),
        )

    def show(self, answer: Found) -> None:
        self._found = answer
        self.set_class(not answer.watches and not answer.firings, "-empty")
        self._draw()

    def _draw(self) -> None:
        found = self._found
        if found is None:
            return
        now = time.time()
        rows = [trigger_row(each, now) for each in found.watches]
        self.query_one("#triggers", Grid).show(rows, columns=TRIGGERS)
        active = any(each.row.trigger.status == "active" for each in found.watches)
        unwatched = active and not found.watched
        self.query_one("#triggers-pane").border_subtitle = "[b]! nobody watches now: w[/b]" if unwatched else ""
        waiting_first = sorted(found.firings, key=lambda each: each.firing.status != "waiting")
        self.query_one("#history", Grid).show([firing_row(each, now) for each in waiting_first], columns=FIRINGS)
        waiting = sum(each.firing.status == "waiting" for each in found.firings)
        self.query_one("#history-pane").border_subtitle = f"{waiting} for you" if waiting else ""
        only = next((each.row.trigger for each in found.watches if each.row.trigger.id == self._only), None)
        self.query_one("#history-pane").border_title = f"history · {escaped(only.name)}" if only else "history"
        self.query_one("#alerts", Grid).show([alert_row(each, now) for each in found.alerts], columns=ALERTS)
        fresh = sum(1 for each in found.alerts if each.acknowledged_at is None)
        self.query_one("#alerts-pane").border_title = f"alerts ({fresh} new)" if fresh else "alerts"
        self._tell_whole()

    def _tell_whole(self) -> None:
        """The line under the cursor: a narrow list has no room for all of it."""
        told: Line = []
        if self._in("triggers") and self._watch is not None:
            told = trigger_whole(self._watch)
        elif self._in("history") and self._firing is not None:
            told = firing_whole(self._firing)
        elif self._in("alerts") and self._alert is not None:
            told = alert_whole(self._alert)
        self.query_one(Whole).show(told)

    def tick(self) -> None:
        self.refetch()

    # -- what is chosen

    @property
    def _watch(self) -> Watch | None:
        key = self.query_one("#triggers", Grid).key
        watches = self._found.watches if self._found is not None else []
        return next((each for each in watches if each.row.trigger.id == key), None)

    @property
    def _firing(self) -> FiringRow | None:
        key = self.query_one("#history", Grid).key
        firings = self._found.firings if self._found is not None else []
        return next((each for each in firings if each.firing.id == key), None)

    @property
    def _alert(self) -> Alert | None:
        key = self.query_one("#alerts", Grid).key
        alerts = self._found.alerts if self._found is not None else []
        return next((each for each in alerts if each.id == key), None)

    def _in(self, name: str) -> bool:
        return self.query_one(f"#{name}", Grid).has_focus

    @on(Grid.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()
        self._tell_whole()

    def on_descendant_focus(self) -> None:
        self._tell_whole()

    @on(Grid.Chosen, "#triggers")
    def _trigger_chosen(self) -> None:
        self.do_only()
        self.query_one("#history", Grid).focus()

    @on(Grid.Chosen, "#history")
    def _firing_chosen(self) -> None:
        row = self._firing
        if row is not None:
            self.app.push_screen(
                Reading(f"{row.trigger.name} · firing {row.firing.id}", lambda width: evidence_told(row, width))
            )

    @on(Grid.Chosen, "#alerts")
    def _alert_chosen(self) -> None:
        alert = self._alert
        if alert is not None:
            self.app.push_screen(Reading(f"alert {alert.id}", lambda width: alert_told(alert, width)))

    # -- actions

    def why_not(self, name: str) -> str:
        watch, firing = self._watch, self._firing
        if name == "back" and self._only is None and self._in("triggers"):
            return "This is the view itself; q leaves."
        if name in ("pause", "fire", "test", "only") and watch is None:
            return "There is no trigger yet: n takes those of this project's file."
        if name == "add" and self.shell.project_dir is None:
            return "trainshed was not started in a project; `trainshed triggers add -p DIR` names one."
        if name in ("approve", "dismiss") and (firing is None or firing.firing.status != "waiting"):
            return "The line under the cursor of the history does not wait for anybody."
        if name == "run" and (firing is None or firing.firing.run_id is None):
            return "The line under the cursor of the history began no run."
        if name == "acknowledge" and (self._alert is None or self._alert.acknowledged_at is not None):
            return "There is no alert under the cursor that nobody has seen."
        if name == "watch" and (self._found is None or self._found.watched):
            return "Your agent watches already."
        return super().why_not(name)

    def do_back(self) -> None:
        self._only = None
        self.query_one("#triggers", Grid).focus()
        self.refetch()

    def do_next(self) -> None:
        self.focus_next(Grid)

    def do_previous(self) -> None:
        self.focus_previous(Grid)

    def do_only(self) -> None:
        watch = self._watch
        assert watch is not None  # why_not has seen to it
        self._only = None if self._only == watch.row.trigger.id else watch.row.trigger.id
        self.refetch()

    def do_pause(self) -> None:
        watch = self._watch
        assert watch is not None
        trigger = watch.row.trigger
        verb: Literal["pause", "resume"] = "resume" if trigger.status == "paused" else "pause"
        told = f"{trigger.name} {'watches again' if verb == 'resume' else 'notices nothing until p'}"
        self.run_worker(self.shell.carry_out(lambda shed: _set(shed, verb, str(trigger.id)), told))

    def do_fire(self) -> None:
        watch = self._watch
        assert watch is not None
        trigger = watch.row.trigger

        async def fire(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _fire(shed, str(trigger.id)), str)

        told: list[Line] = [
            line("The pipeline of ", span(trigger.project, "bold"), " on its files as they are, up to its gate."),
            [Span(f"trainshed triggers fire {trigger.id}", "dim")],
        ]
        self.app.push_screen(Agreeing(f"fire {trigger.name}", told, verb="fire it now"), fire)

    def do_test(self) -> None:
        self.run_worker(self._test(), group="test", exclusive=True)

    async def _test(self) -> None:
        from screens.threads import beside
        from storage.errors import TrainshedError

        watch, shed = self._watch, self.shell.shed
        if watch is None or shed is None:
            return
        name = watch.row.trigger.name
        self.shell.say(f"looking what {name} would do …")
        try:
            lines = await beside(lambda: _attempt(shed, str(watch.row.trigger.id)))
        except TrainshedError as err:
            self.shell.tell(err)
            return
        head: list[Line] = [[Span("What it would do now; nothing of it was done.", "dim")], []]
        self.app.push_screen(
            Reading(f"test {name}", lambda width: head + [row for each in lines for row in wrapped(each, width)])
        )

    def do_add(self) -> None:
        folder = self.shell.project_dir
        assert folder is not None

        def add(agreed: str | None) -> None:
            if agreed is not None:
                self.run_worker(self.shell.carry_out(lambda shed: _add(shed, str(folder)), str))

        told: list[Line] = [
            line("Your agent watches for every [[trigger]] of ", span(f"{folder}/trainshed.toml", "bold")),
            [Span("from now on, as you, with the environment of now. What is there already is not new to them.", "")],
            [Span(f"trainshed triggers add -p {folder}", "dim")],
        ]
        self.app.push_screen(Agreeing("add triggers", told, verb="watch"), add)

    def do_approve(self) -> None:
        row = self._firing
        assert row is not None
        number = row.firing.id or 0

        async def approve(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _approve(shed, number), "approved: its run is launched")

        told: list[Line] = [[span(row.firing.why)], [], [Span("Yes launches the run that it wants.", "dim")]]
        self.app.push_screen(Agreeing(f"{row.trigger.name} asks", told, verb="approve it"), approve)

    def do_dismiss(self) -> None:
        row = self._firing
        assert row is not None
        number = row.firing.id or 0

        async def dismiss(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _dismiss(shed, number), "dismissed")

        told: list[Line] = [[span(row.firing.why)], [], [Span("It begins no run then.", "dim")]]
        self.app.push_screen(Agreeing(f"{row.trigger.name} asks", told, verb="dismiss it", dangerous=True), dismiss)

    def do_run(self) -> None:
        row = self._firing
        assert row is not None
        self.shell.open_thing(str(row.firing.run_id))

    def do_acknowledge(self) -> None:
        alert = self._alert
        assert alert is not None
        number = alert.id or 0
        self.run_worker(self.shell.carry_out(lambda shed: _acknowledge(shed, [number]), "acknowledged"))

    def do_try_alerts(self) -> None:
        folder = self.shell.project_dir
        if folder is None:
            self.shell.say("trainshed was not started in a project.", "warning")
            return
        self.run_worker(self.shell.carry_out(lambda shed: _try_alerts(shed, str(folder)), str))

    def do_watch(self) -> None:
        self.run_worker(self.shell.carry_out(_start_agent, "your agent watches"))

    def do_copy(self) -> None:
        self.shell.copy("trainshed triggers history")


def _set(shed: Shed, verb: Literal["pause", "resume"], which: str) -> None:
    from runners.actions import triggers

    (triggers.resume if verb == "resume" else triggers.pause)(shed, which)


def _fire(shed: Shed, which: str) -> str:
    from runners.actions import triggers

    return triggers.fire(shed, which).told


def _attempt(shed: Shed, which: str) -> list[str]:
    from runners.actions import triggers

    return triggers.attempt(shed, which).lines


def _add(shed: Shed, folder: str) -> str:
    from pathlib import Path

    from runners.actions import triggers

    done = triggers.add(shed, Path(folder))
    watching = ", ".join(trigger.name for trigger in done.added)
    return "\n".join([f"watching: {watching}", *done.warnings])


def _approve(shed: Shed, number: int) -> None:
    from runners.actions import triggers

    triggers.approve(shed, number)


def _dismiss(shed: Shed, number: int) -> None:
    from runners.actions import triggers

    triggers.dismiss(shed, number)


def _acknowledge(shed: Shed, numbers: list[int]) -> None:
    from runners.actions import alerts

    alerts.acknowledge(shed, numbers)


def _try_alerts(shed: Shed, folder: str) -> str:
    from pathlib import Path

    from runners.actions import alerts

    sent = alerts.attempt(shed, Path(folder)).sent
    return f"a test went to {sent} address{'' if sent == 1 else 'es'}"


def _start_agent(shed: Shed) -> None:
    from runners.actions import agents

    agents.start(shed)
