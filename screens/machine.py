"""8 Machine: who has what, who comes next, and what the disk could do without."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.dialogs import Agreeing
from screens.glyphs import gauge
from screens.ink import Line, Span, escaped, line, span
from screens.outlook import begins, outlooks
from screens.queueing import Queueing
from screens.threads import beside
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.garbage import Collected
    from runners.actions.gpus import Device, Held, Overview, Process
    from storage.read.queue import Entry
    from storage.shed import Shed
    from storage.tables import Run

GAUGE = 8
MOST_PROCESSES = 3  # of a device, one line each
KINDS = {"object": "objects", "stage": "stages", "run": "run directories", "temporary": "temporary files"}


@dataclass(frozen=True)
class Found:
    """All devices, and what waits for them, in the order in which it will start; foreseen `at` a moment.

    `runs` are those that wait and those that hold devices.
    """

    overview: Overview
    waiting: list[Entry]
    outlooks: dict[int, Outlook]
    runs: dict[int, Run]
    at: float


class Machine(Queueing[None, Found]):
    """Devices over the queue; beside or under them everybody's hours and the disk."""

    PLACE = "machine"
    VIEW = "machine"
    CSS_PATH = "styles/machine.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("machine")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._garbage: Collected | None = None
        self._looking = False

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="devices-pane") as box:
            box.border_title = "devices"
            yield Grid(id="devices", opens=True)
        with Vertical(classes="pane", id="queue-pane") as box:
            box.border_title = "queue"
            yield Grid(id="queue", opens=True, empty=EMPTY)
        with Horizontal(id="below"):
            with Vertical(classes="pane") as box:
                box.border_title = "device-hours"
                yield Grid(id="hours", empty=[[Span("Nobody has had a device this week.", "dim")]])
            with Vertical(classes="pane") as box:
                box.border_title = "disk"
                yield Lines(id="disk")

    def on_mount(self) -> None:
        self.query_one("#devices", Grid).focus()
        self._show_disk()

    # -- reading

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Found:
        from runners.actions import gpus
        from storage.errors import UsageError
        from storage.read import queue as read_queue
        from storage.read import runs as read_runs

        waiting = read_queue.waiting(shed)
        expected = outlooks(shed, [entry.run for entry in waiting])
        waiting.sort(key=lambda entry: _turn(entry, expected.get(entry.queued.run_id)))
        over = gpus.overview(shed)
        runs = {entry.queued.run_id: entry.run for entry in waiting}
        for run_id in {held.run for device in over.devices for held in device.held}:
            with suppress(UsageError):  # a lease whose run was forgotten
                runs[run_id] = read_runs.run(shed, run_id)
        return Found(over, waiting, expected, runs, time.time())

    def show(self, answer: Found) -> None:
        self._found = answer
        over = answer.overview
        names = any(device.uuid for device in over.devices)
        columns, rows = devices_told(over, time.time(), names=names)
        self.query_one("#devices", Grid).show(rows, columns=columns)
        self.query_one("#devices-pane").styles.max_height = len(rows) + 3
        cores = f"{over.cores} core{'s' if over.cores != 1 else ''}"
        self.query_one("#devices-pane").border_subtitle = escaped(f"{over.host} · {cores} · load {over.load:.1f}")
        self._show_queue()
        hours = [
            Row(each.user, ([span(each.user)], [Span(f"{each.week:.2f}")], [Span(f"{each.counted:.2f}")]))
            for each in over.hours
        ]
        titles = [Column("user", grow=True), Column("7 days", "r"), Column("fair share counts", "r")]
        self.query_one("#hours", Grid).show(hours, columns=titles)
        self._show_disk()

    def _show_queue(self) -> None:
        found = self._found
        if found is None:
            return
        columns, rows = queue_told(found, time.time())
        self.query_one("#queue", Grid).show(rows, columns=columns)
        first = next((begins(outlook) for outlook in found.outlooks.values() if begins(outlook)), "")
        count = len(found.waiting)
        self.query_one("#queue-pane").border_title = f"queue · {count}" if count else "queue"
        self.query_one("#queue-pane").border_subtitle = "" if not first else "in the order in which they will start"

    def _show_disk(self) -> None:
        now, garbage = self.shell.now, self._garbage
        lines: list[Line] = []
        if now is not None and now.disk_free is not None and now.disk_total:
            used = 1 - now.disk_free / now.disk_total
            role = "failed" if used > 0.95 else "attention" if used > 0.85 else "accent"
            free = f"  {figures.size(round(now.disk_free))} free of {figures.size(round(now.disk_total))}"
            lines.append([*gauge(used, GAUGE, role), Span(free)])
        if self._looking:
            lines.append([Span("looking for what nothing refers to …", "running")])
        elif garbage is None:
            lines.append(line(Span("d", "accent"), Span(" tells what gc would free", "dim")))
        elif not garbage.found:
            lines.append([Span("There is nothing to free.", "dim")])
        else:
            counts = Counter(item.kind for item in garbage.found)
            kinds = ", ".join(f"{count:,} {KINDS[kind]}" for kind, count in counts.items())
            lines.append(line(f"gc frees {figures.size(garbage.bytes)}", Span(f": {kinds}", "dim")))
            lines.append(line(Span("D", "accent"), Span(" removes it", "dim")))
        self.query_one("#disk", Lines).show(lines)

    def machine_seen(self) -> None:
        self.refetch()

    def tick(self) -> None:
        self._show_queue()

    # -- actions

    def chosen(self) -> dict[int, Run | None]:
        """The run in the queue under the cursor, or the one that holds the device under it."""
        grid = self.focused
        if not isinstance(grid, Grid) or grid.id not in ("queue", "devices") or grid.key is None:
            return {}
        run_id = int(str(grid.key)) if grid.id == "queue" else _run_on(str(grid.key))
        run = self._found.runs.get(run_id) if self._found is not None else None
        return {run_id: run} if run is not None else {}

    def why_not(self, name: str) -> str:
        if name == "back":
            return "This is the view itself; q leaves."
        if name == "free" and not (self._garbage is not None and self._garbage.found):
            return "Look first what there is to free: d."
        if name in ("disk", "free") and self._looking:
            return "It is being looked for already."
        return super().why_not(name)

    def do_next(self) -> None:
        self.focus_next(Grid)

    def do_previous(self) -> None:
        self.focus_previous(Grid)

    def do_disk(self) -> None:
        self.run_worker(self._look_for_garbage())

    async def _look_for_garbage(self) -> None:
        from storage.errors import TrainshedError

        shed = self.shell.shed
        if shed is None:
            return
        self._looking = True
        self._show_disk()
        try:
            self._garbage = await beside(lambda: _collect(shed, dry_run=True))
        except TrainshedError as err:
            self.shell.tell(err)
        finally:
            self._looking = False
            self._show_disk()

    def do_free(self) -> None:
        garbage = self._garbage
        assert garbage is not None  # why_not has seen to it

        async def free(agreed: str | None) -> None:
            if agreed is not None:
                self._garbage = None
                self._carry_out(
                    lambda shed: _collect(shed, dry_run=False), lambda freed: f"{figures.size(freed.bytes)} freed"
                )

        told: list[Line] = [
            [Span(f"{len(garbage.found):,} things that nothing in the shed refers to are removed for good.")],
            [Span("No run, dataset or model version loses anything.", "dim")],
        ]
        dialog = Agreeing(f"free {figures.size(garbage.bytes)}", told, verb="remove them", dangerous=True)
        self.app.push_screen(dialog, free)

    @on(Grid.Chosen, "#devices")
    def _device_chosen(self, event: Grid.Chosen) -> None:
        run_id = _run_on(str(event.key))
        if run_id:
            self.shell.open_thing(str(run_id))
        else:
            self.shell.say("No run of ours is on this device.", "warning")

    @on(Grid.Chosen, "#queue")
    def _run_chosen(self, event: Grid.Chosen) -> None:
        self.shell.open_thing(str(event.key))


EMPTY: list[Line] = [
    [Span("Nothing waits.", "bold")],
    line(Span("n", "accent"), Span(" in Runs queues a run of this project,", "dim")),
    line(Span("trainshed exec -- CMD", "accent"), Span(" any command.", "dim")),
]


def devices_told(found: Overview, now: float, *, names: bool) -> tuple[list[Column], list[Row]]:
    """A line a lease (a GPU that is shared has several), and under it the processes there."""
    columns = [
        Column("device"),
        *([Column("", grow=True, least=8, most=24, rank=3, role="dim")] if names else []),
        Column("use", least=GAUGE + 6, rank=6),
        Column("memory", "r", rank=7),
        *([Column("power", "r", rank=2, role="dim"), Column("temp", "r", rank=1, role="dim")] if names else []),
        Column("held by", least=8, most=16, rank=8),
        Column("run", grow=True, least=10, most=44),
        Column("since", "r", rank=4, role="dim"),
    ]
    rows: list[Row] = []
    for device in found.devices:
        for place, held in enumerate(device.held or [None]):
            told = _readings(device, names=names) if place == 0 else [[] for _ in columns[:-3]]
            rows.append(Row(f"{device.device} {held.run if held else 0}", (*told, *_holder(device, held, now))))
        for process in device.processes[:MOST_PROCESSES]:
            rows.append(Row(f"{device.device} pid {process.pid}", (_process(process),), plain=True))
        more = len(device.processes) - MOST_PROCESSES
        if more > 0:
            rows.append(Row(f"{device.device} more", ([Span(f"{'':13}and {more} more", "faint")],), plain=True))
    return columns, rows


def _readings(device: Device, *, names: bool) -> list[Line]:
    use: Line = []
    if device.use_percent is not None:
        use = [*gauge(device.use_percent / 100, GAUGE), Span(f" {device.use_percent:3.0f} %")]
    used, total = device.memory_used, device.memory_total
    memory = "" if used is None else figures.size(used) + (f" of {figures.size(total)}" if total else "")
    told: list[Line] = [[Span(device.device, "bold")], *([[span(device.name)]] if names else []), use, [Span(memory)]]
    if names:
        watts, degrees = device.power_w, device.temperature_c
        told.append([Span(f"{watts:.0f} W" if watts is not None else "")])
        told.append([Span(f"{degrees:.0f}°" if degrees is not None else "")])
    return told


def _process(process: Process) -> Line:
    """Under its device; one that belongs to no run of ours stands out."""
    memory = figures.size(process.memory_bytes) if process.memory_bytes is not None else ""
    whose = span(process.user, "dim" if process.run is not None else "attention")
    return line(
        Span(f"{process.pid:>11}  ", "faint"), whose, Span(f"  {memory}  ", "faint"), span(process.command, "faint")
    )


def _holder(device: Device, held: Held | None, now: float) -> list[Line]:
    if held is None:
        if device.stranger:
            return [[Span("a stranger", "attention")], [span(device.stranger, "attention")], []]
        return [[Span("MIG" if device.mig else "free", "dim" if device.mig else "done")], [], []]
    claim = f" {figures.size(held.memory)}" if held.memory is not None else ""
    run = line(Span(f"{held.run} ", "dim"), span(held.name)) if held.run else [Span("unknown", "dim")]
    return [[span(held.user or "unknown"), Span(claim, "dim")], run, [Span(_short(now - held.since))]]


def queue_told(found: Found, now: float) -> tuple[list[Column], list[Row]]:
    """What waits, who starts first on top."""
    with_priority = any(entry.queued.priority for entry in found.waiting)
    columns = [
        Column("", width=1),
        Column("run", "r", least=3, role="dim"),
        Column("name", least=10, most=36),
        Column("user", most=12, rank=7, role="dim"),
        *([Column("wants", rank=5, role="dim")] if found.overview.gpus else []),
        *([Column("priority", "r", rank=4)] if with_priority else []),
        Column("starts", "r", least=7),
        Column("why not yet", grow=True, least=34, most=120, rank=6, role="dim"),
        Column("queued", "r", rank=2, role="dim"),
    ]
    rows = []
    for entry in found.waiting:
        run, queued = entry.run, entry.queued
        outlook = found.outlooks.get(queued.run_id)
        wants = f"{queued.gpus} gpu{'s' if queued.gpus != 1 else ''}" if queued.gpus else "cpu"
        share = f" {figures.size(queued.gpu_memory)}" if queued.gpu_memory else ""
        elsewhere = "" if outlook is not None else f"on {run.host}"
        cells: list[Line] = [
            [Span("◌", "waiting")],
            [Span(str(queued.run_id))],
            [span(run.name)],
            [span(run.user)],
            *([[Span(wants + share)]] if found.overview.gpus else []),
            *([[Span(str(queued.priority) if queued.priority else "")]] if with_priority else []),
            [Span(begins(outlook, now - found.at), "bold")],
            [span(outlook.held if outlook is not None else elsewhere)],
            [Span(figures.ago(queued.queued_at, now))],
        ]
        rows.append(Row(queued.run_id, tuple(cells)))
    return columns, rows


def _turn(entry: Entry, outlook: Outlook | None) -> tuple[float, int, float, int]:
    starts = outlook.starts_in.likely if outlook is not None and outlook.starts_in is not None else float("inf")
    return starts, -entry.queued.priority, entry.queued.position, entry.queued.run_id


def _run_on(key: str) -> int:
    """The run of a line of devices; 0 where there is none."""
    number = key.rpartition(" ")[2]
    return int(number) if number.isdigit() and " pid " not in key else 0


def _short(seconds: float) -> str:
    return figures.about(seconds).lstrip("~") if seconds >= 10 else "now"


def _collect(shed: Shed, *, dry_run: bool) -> Collected:
    from runners.actions import garbage

    return garbage.collect(shed, dry_run=dry_run)
