"""1 Home: is everything all right, and what needs me?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll

from screens import figures
from screens.acting import Acting, bindings
from screens.dialogs import Agreeing, Reading
from screens.glyphs import bar, gauge, glyph, role_of
from screens.ink import Line, Span, cut, joined, line, span, wrapped
from screens.run_table import gate_metric, metric_value
from screens.view import View
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.gpus import Overview
    from runners.actions.home import AtWork, Home, InProduction, Need
    from runners.actions.machine import Now
    from storage.read.runs import RunRow
    from storage.shed import Shed
    from storage.tables import Stage

DIGEST_LINES = 9
READING_S = 20.0  # whoever stays so long has seen what happened
SIGNS = {
    "waiting": ("!", "attention"),
    "failed": ("✗", "failed"),
    "refused": ("✗", "failed"),
    "taken back": ("!", "attention"),
    "promoted": ("●", "done"),
    "done": ("✓", "done"),
    "stopped": ("‖", "waiting"),
    "data": ("+", "accent"),
    "sweep": ("✓", "done"),
    "queue": ("◌", "waiting"),
}


@dataclass(frozen=True)
class Found:
    """Home as it was read, and who holds the devices."""

    home: Home
    devices: Overview | None


class MachinePane(Acting, Painted):
    """GPUs with who is on them, processors, memory and disk."""

    def __init__(self) -> None:
        super().__init__()
        self._devices: Overview | None = None

    def show(self, devices: Overview | None) -> None:
        """Who holds what; the readings come with the machine."""
        self._devices = devices
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return machine_lines(self.shell.now, self._devices, width)


class Digest(Painted):
    """What happened since one was here."""

    def __init__(self) -> None:
        super().__init__()
        self._told: Sequence[tuple[str, str]] = ()

    def show(self, told: Sequence[tuple[str, str]]) -> None:
        """Kinds and sentences."""
        self._told = told
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        lines: list[Line] = []
        for kind, text in self._told:
            sign, role = SIGNS.get(kind, ("·", "dim"))
            first, *rest = wrapped(text, max(10, width - 2))
            lines.append([Span(f"{sign} ", role), *first])
            lines += [[Span("  "), *part] for part in rest[:1]]
        return lines or [[Span("nothing", "dim")]]


class HomeView(View[float | None, Found]):
    """Panes for what needs somebody, what runs, what waits; the machine, production and the digest beside them."""

    PLACE = "home"
    VIEW = "home"
    CSS_PATH = "styles/home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("home")]

    def __init__(self) -> None:
        super().__init__()
        self._since: float | None = None
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
            self._since = answer.home.digest.since
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
        self._pane("needs", f"needs you ({len(home.needs)})", [_need(need, now) for need in home.needs], NEEDS)
        self._pane("running", f"running ({len(home.at_work)})", [_working(each, now) for each in home.at_work], RUNNING)
        waits = [outlook.starts_in for _, outlook in home.waiting if outlook.starts_in is not None]
        first = f" · the first starts in ~{figures.duration(round(waits[0].likely))}" if waits else ""
        queued = [
            _queued(entry.run.id or 0, entry.run.name, entry.run.user, entry.queued.gpus, outlook)
            for entry, outlook in home.waiting
        ]
        self._pane("queued", f"queued ({len(home.waiting)}){first}", queued, QUEUED)
        self._pane("lately", "lately", [_ended(row, now) for row in home.lately], LATELY)
        self._pane("production", "in production", [_serving(each, now) for each in home.production], PRODUCTION)
        self.query_one("#needs").display = bool(home.needs)
        self.query_one("#queued").display = bool(home.waiting)
        self.query_one("#lately").display = bool(home.lately)
        self.query_one("#running Grid", Grid).empty = _nothing(home, self.shell.project)
        self.query_one("#production Grid", Grid).empty = [
            [Span("no model yet: a run that passes its gate makes one", "dim")]
        ]
        ago = figures.ago(home.digest.since, now)
        self.query_one("#digest").border_title = "the last day" if home.digest.first else f"since you were here {ago}"
        told = [(each.kind, each.text) for each in home.digest.shown(DIGEST_LINES) if each.kind != "queue"]
        self.query_one(Digest).show(told)
        self.query_one(MachinePane).show(found.devices)

    def _pane(self, name: str, title: str, rows: list[Row], columns: list[Column]) -> None:
        self.query_one(f"#{name}").border_title = title
        self.query_one(f"#{name} Grid", Grid).show(rows, columns=columns)

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
            self.do_acknowledge()
        elif kind == "firing":
            self._ask_about(int(subject))
        elif kind == "endpoint" and (need := self._need) is not None:
            told = [
                [span(need.text)],
                [],
                line(Span("trainshed endpoints logs ", "accent"), span(need.subject, "accent")),
            ]
            self.app.push_screen(Reading(f"endpoint {need.subject}", lambda _width: told))

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
        return next((need for need in needs if _key(need) == key), None)

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


NEEDS = [Column("", width=1), Column("", grow=True, least=20, most=200), Column("", "r", rank=2)]
RUNNING = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=26, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", least=8, rank=7),
    Column("", "r", rank=8),
    Column("", "r", rank=6),
    Column("", "r", rank=5),
]
QUEUED = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=30, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", rank=2, role="dim"),
    Column("", "r", rank=6),
    Column("", rank=4, most=60, role="dim"),
]
LATELY = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=30, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", rank=7),
    Column("", "r", rank=6),
    Column("", "r", rank=2, role="dim"),
    Column("", "r", rank=5, role="dim"),
]
PRODUCTION = [
    Column("", width=1),
    Column("", grow=True, least=10, most=40),
    Column("", rank=5),
    Column("", "r", rank=4),
    Column("", "r", rank=3),
]


def _key(need: Need) -> str:
    kind = {"approval": "model", "left alone": "run", "alert": "alert"}.get(need.kind, need.kind)
    return f"{kind}:{need.subject}"


def _need(need: Need, now: float) -> Row:
    return Row(_key(need), ([Span("!", "attention")], [span(need.text)], [Span(figures.ago(need.at, now), "dim")]))


def _working(each: AtWork, now: float) -> Row:
    run = each.row.run
    share = run.progress or 0.0
    left = _left(each.stages, run.progress, run.started_at, now)
    metric = gate_metric([each.row])
    value = metric_value(each.row, metric) if metric else None
    stage = next((stage.name for stage in reversed(each.stages) if stage.status == "running"), "")
    cells: tuple[Line, ...] = (
        [glyph("running")],
        [Span(str(run.id), "dim")],
        [span(run.name, "bold")],
        [span(run.user)],
        bar(share, 18) if run.progress is not None else [span(stage, "dim")],
        [Span(f"{share * 100:.0f} %" if run.progress is not None else "")],
        [
            Span(
                f"{figures.duration(round(left))} left"
                if left is not None
                else figures.duration(now - (run.started_at or now)),
                "dim",
            )
        ],
        [Span(f"{metric} ", "dim"), Span(figures.number(value), "bold")] if value is not None else [],
    )
    return Row(f"run:{run.id}", cells)


def _ended(row: RunRow, now: float) -> Row:
    run = row.run
    metric = gate_metric([row])
    value = metric_value(row, metric) if metric else None
    cells: tuple[Line, ...] = (
        [glyph(run.status)],
        [Span(str(run.id), "dim")],
        [span(run.name)],
        [span(run.user)],
        [Span(run.status, role_of(run.status))],
        [Span(f"{metric} ", "dim"), Span(figures.number(value))] if value is not None else [],
        [Span(figures.duration(run.ended_at - run.started_at) if run.ended_at and run.started_at else "")],
        [Span(figures.ago(run.ended_at or run.created_at, now))],
    )
    return Row(f"run:{run.id}", cells)


def _left(stages: Sequence[Stage], progress: float | None, started: float | None, now: float) -> float | None:
    training = next((stage.started_at for stage in stages if stage.name == "train"), None)
    began = training or started
    if not progress or began is None:
        return None
    return max(0.0, (now - began) * (1 - progress) / progress)


def _queued(run_id: int, name: str, user: str, gpus: int, outlook: object) -> Row:
    from runners.actions.forecasts import Outlook

    assert isinstance(outlook, Outlook)
    starts = outlook.starts_in
    soon = "now" if starts is not None and starts.likely < 1 else ""
    when = soon or (f"~{figures.duration(round(starts.likely))}" if starts is not None else "")
    cells: tuple[Line, ...] = (
        [glyph("queued")],
        [Span(str(run_id), "dim")],
        [span(name)],
        [span(user)],
        [Span(f"{gpus} gpu" if gpus else "cpu")],
        [Span(when)],
        [span(outlook.held)],
    )
    return Row(f"run:{run_id}", cells)


def _serving(each: InProduction, now: float) -> Row:
    version, model = each.details.version, each.details.model
    metric = str((each.details.gate.evidence if each.details.gate is not None else {}).get("metric") or "")
    value = version.metrics.get(metric)
    endpoint = each.endpoint
    state: Line = [Span("not served", "faint")]
    if endpoint is not None:
        healthy = endpoint.state == "serving"
        told = endpoint.state if healthy else f"{endpoint.state}"
        state = [Span("✓ " if healthy else "! ", "done" if healthy else "attention"), span(told)]
        p99 = endpoint.latency_ms[1]
        if p99 is not None:
            state = [*state, Span(f"  p99 {figures.number(p99)} ms", "dim")]
    cells: tuple[Line, ...] = (
        [glyph("production")],
        [span(f"{model.name} v{version.number}", "bold")],
        state,
        [Span(f"{metric} ", "dim"), Span(figures.number(value))] if isinstance(value, (int, float)) else [],
        [Span(figures.ago(version.created_at, now), "dim")],
    )
    return Row(f"model:{model.name}@v{version.number}", cells)


def _nothing(home: Home, project: str | None) -> list[Line]:
    if not home.bare:
        return [[Span("nothing runs", "dim")]]
    if project is None:
        return [
            [],
            [Span("Welcome. Nothing has happened in this shed yet.", "bold")],
            [],
            line(Span("t", "accent bold"), Span("                    takes the tour, and runs a sample project", "dim")),
            line(
                Span("trainshed init DIR", "accent"),
                Span("   starts a project from a template, or around your data", "dim"),
            ),
            line(Span("trainshed", "accent"), Span("            again, in that directory, shows it here", "dim")),
            [],
            line(
                Span("?", "accent"),
                Span(" names the keys, ", "dim"),
                Span("ctrl+p", "accent"),
                Span(" finds any action by its name", "dim"),
            ),
        ]
    return [
        [],
        [Span("Welcome. Nothing has run in this shed yet.", "bold")],
        [],
        line(Span("trainshed --batch", "accent"), Span("   takes this project from its files to production;", "dim")),
        [Span("                    what it does appears here, live", "dim")],
        [],
        line(
            Span("?", "accent"),
            Span(" names the keys, ", "dim"),
            Span("ctrl+p", "accent"),
            Span(" finds any action by its name", "dim"),
        ),
    ]


def machine_lines(now: Now | None, devices: Overview | None, width: int) -> list[Line]:
    """A line a GPU with who holds it, then processors, memory and disk."""
    if now is None:
        return [[]]
    held = {device.device: device for device in devices.devices} if devices is not None else {}
    lines: list[Line] = []
    for gpu in now.gpus:
        device = held.get(gpu.name)
        parts: list[Line] = [
            [Span(f"{gpu.name:<5}", "dim"), *gauge((gpu.percent or 0) / 100, 6), Span(f" {gpu.percent or 0:3.0f} %")]
        ]
        if gpu.temperature is not None:
            parts.append([Span(f"{gpu.temperature:.0f}°", "dim")])
        if gpu.memory_used is not None and gpu.memory_total:
            parts.append([Span(f"{gpu.memory_used / 1e9:.0f}/{gpu.memory_total / 1e9:.0f} GB")])
        for hold in device.held[:1] if device is not None else []:
            parts.append([span(hold.user), span(f"  {hold.run} {hold.name}", "dim")])
        if device is not None and device.stranger:
            parts.append([span(device.stranger, "attention")])
        elif device is not None and not device.held:
            parts.append([Span("free", "dim")])
        lines.append(cut(joined(parts), width))
    if now.cpu_percent is not None:
        told = [
            Span("cpu  ", "dim"),
            *gauge(now.cpu_percent / 100, 6),
            Span(f" {now.cpu_percent:3.0f} %"),
            Span(f"  of {now.cores} cores", "dim"),
        ]
        lines.append(cut(told, width))
    if now.memory_used is not None:
        share = now.memory_used / now.memory_total
        lines.append(
            cut(
                [
                    Span("ram  ", "dim"),
                    *gauge(share, 6),
                    Span(f" {figures.size(round(now.memory_used))}"),
                    Span(f" of {figures.size(round(now.memory_total))}", "dim"),
                ],
                width,
            )
        )
    if now.disk_free is not None and now.disk_total:
        low = now.disk_free / now.disk_total < 0.05
        lines.append(
            cut(
                [
                    Span("disk ", "dim"),
                    *gauge(1 - now.disk_free / now.disk_total, 6, "failed" if low else "accent"),
                    Span(f" {figures.size(round(now.disk_free))}", "failed" if low else ""),
                    Span(" free", "dim"),
                ],
                width,
            )
        )
    slots = [device for device in held.values() if device.uuid is None]
    if slots and not now.gpus:
        busy = [device for device in slots if device.held]
        names = ", ".join(f"{hold.run} {hold.name}" for device in busy for hold in device.held[:1])
        lines.append(
            cut(
                line(
                    Span("slots", "dim"),
                    Span(f" {len(busy)} of {len(slots)} taken", "" if busy else "dim"),
                    span(f"  {names}", "dim"),
                ),
                width,
            )
        )
    return lines


def _acknowledge(shed: Shed, number: int) -> None:
    from runners.actions import alerts

    alerts.acknowledge(shed, [number])


def _approve(shed: Shed, firing: int) -> None:
    from runners.actions import triggers

    triggers.approve(shed, firing)
