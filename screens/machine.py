"""8 Machine: who has what, who had it and who comes next, and what the disk could do without."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.charts.timeline import beyond, timeline
from screens.dialogs import Agreeing
from screens.disk import MEASURING, UNMEASURED, disk_told, leads_to, room_told, sums_told
from screens.ink import Line, Span, escaped
from screens.machine_lists import NOTHING_WAITS, devices_told, hours_told, queue_told, run_on, turn
from screens.outlook import begins
from screens.queueing import Queueing
from screens.threads import beside
from screens.widgets.grid import Grid
from screens.widgets.lines import Lines
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.disk import Disk, Usage
    from runners.actions.forecasts import Forecaster, Outlook
    from runners.actions.gpus import Overview
    from runners.actions.timeline import Timeline
    from storage.read.queue import Entry
    from storage.shed import Shed
    from storage.tables import Run

FEW_RUNS = 1000  # whose files are looked at without being asked
PARTS = "Grid, #strip"
HIGH = 30  # lines of a screen that has room for everything
LOW = 24  # below that the view itself is scrolled from part to part
FRAME = 3  # lines of a pane around its rows
REST = 13  # lines that a low screen keeps for header, queue, hours and disk


@dataclass(frozen=True)
class Found:
    """All devices, and what waits for them, in the order in which it will start; foreseen `at` a moment.

    `runs` are those that wait and those that hold devices.
    """

    overview: Overview
    waiting: list[Entry]
    outlooks: dict[int, Outlook]
    timeline: Timeline
    runs: dict[int, Run]
    at: float


class Machine(Queueing[None, Found]):
    """Devices over their last hour and what comes, and over the queue; below everybody's hours and the disk."""

    PLACE = "machine"
    VIEW = "machine"
    CSS_PATH = "styles/machine.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("machine")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._forecaster: Forecaster | None = None
        self._disk: Disk | None = None
        self._usage: Usage | None = None
        self._measuring = False
        self._wanted: bool | None = None  # processes unfolded; None: where they leave every device in view
        self._unfolded = False

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="devices-pane") as box:
            box.border_title = "devices"
            yield Grid(id="devices", opens=True)
        with Vertical(classes="pane", id="strip-pane") as box:
            box.border_title = "the last hour, and what comes"
            yield Lines(id="strip")
        with Vertical(classes="pane", id="queue-pane") as box:
            box.border_title = "queue"
            yield Grid(id="queue", opens=True, empty=NOTHING_WAITS)
        with Horizontal(id="below"):
            with Vertical(classes="pane", id="hours-pane") as box:
                box.border_title = "device-hours"
                yield Grid(id="hours", empty=[[Span("Nobody has had a device this week.", "dim")]])
            with Vertical(classes="pane", id="disk-pane") as box:
                box.border_title = "disk"
                yield Grid(id="disk", opens=True, empty=UNMEASURED)

    def on_mount(self) -> None:
        self.query_one("#devices", Grid).focus()
        self._show_disk()

    # -- reading

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Found:
        from runners.actions import gpus
        from runners.actions.forecasts import Forecaster
        from runners.actions.timeline import timeline
        from storage.errors import UsageError
        from storage.read import queue as read_queue
        from storage.read import runs as read_runs

        self._forecaster = self._forecaster or Forecaster(shed)
        waiting = read_queue.waiting(shed)
        foreseen = self._forecaster.foresee()
        waiting.sort(key=lambda entry: turn(entry, foreseen.outlooks.get(entry.queued.run_id)))
        over = gpus.overview(shed)
        runs = {entry.queued.run_id: entry.run for entry in waiting}
        for run_id in {held.run for device in over.devices for held in device.held}:
            with suppress(UsageError):  # a lease whose run was forgotten
                runs[run_id] = read_runs.run(shed, run_id)
        return Found(over, waiting, foreseen.outlooks, timeline(shed, foreseen), runs, foreseen.situation.now)

    def show(self, answer: Found) -> None:
        self._found = answer
        self._show_devices()
        self._show_strip()
        self._show_queue()
        columns, rows = hours_told(answer.overview.hours)
        self.query_one("#hours", Grid).show(rows, columns=columns)
        self._show_disk()
        if self._disk is None:
            self.run_worker(self._measure(FEW_RUNS))

    def _show_devices(self) -> None:
        found = self._found
        if found is None:
            return
        over = found.overview
        names = any(device.uuid for device in over.devices)
        pane, height = self.query_one("#devices-pane"), self.size.height
        most = max(5, height * 2 // 5 if height >= HIGH else height - REST - self._strip_lines()[0])
        now, processes = time.time(), sum(len(device.processes) for device in over.devices)
        columns, rows = devices_told(over, now, names=names, unfolded=True)
        self._unfolded = self._wanted if self._wanted is not None else len(rows) + FRAME <= most
        if not self._unfolded:
            columns, rows = devices_told(over, now, names=names, unfolded=False)
        self.query_one("#devices", Grid).show(rows, columns=columns)
        folded = f" · p shows {processes:,} process{'' if processes == 1 else 'es'}"
        pane.border_title = "devices" + (folded if processes and not self._unfolded else "")
        pane.styles.max_height = min(max(5, len(rows) + FRAME), most)
        pane.border_subtitle = escaped(f"{over.host} · {counted(over.cores, 'core')} · load {over.load:.1f}")

    def _show_strip(self) -> None:
        found = self._found
        if found is None:
            return
        told, pane, strip = found.timeline, self.query_one("#strip-pane"), self.query_one("#strip", Lines)
        given, wanted, roomy = self._strip_lines()
        pane.styles.height = given
        strip.can_focus = given < wanted or self.size.height < LOW  # there is something to scroll
        later, untold = beyond(told), len(told.untold)
        pane.border_subtitle = " · ".join(
            [
                *([f"{later} later than that"] if later else []),
                *([f"{untold} more: nobody can tell when"] if untold else []),
            ]
        )
        strip.flow(lambda width: timeline(told, width, roomy=roomy))

    def _strip_lines(self) -> tuple[int, int, bool]:
        """How many lines the timeline gets, how many it wants, and whether its lanes stand apart."""
        lanes, height = len(self._found.timeline.lanes) if self._found is not None else 1, self.size.height
        roomy = lanes * 2 + 3 <= height // 5
        wanted = lanes * (2 if roomy else 1) + 3
        return max(4, min(wanted, height // 3 if height >= HIGH else height // 4)), wanted, roomy

    def _show_queue(self) -> None:
        found = self._found
        if found is None:
            return
        now = time.time()
        columns, rows = queue_told(
            found.waiting, found.outlooks, gpus=bool(found.overview.gpus), now=now, passed=now - found.at
        )
        self.query_one("#queue", Grid).show(rows, columns=columns)
        first = next((begins(outlook) for outlook in found.outlooks.values() if begins(outlook)), "")
        count = len(found.waiting)
        self.query_one("#queue-pane").border_title = f"queue · {count}" if count else "queue"
        self.query_one("#queue-pane").border_subtitle = "" if not first else "in the order in which they will start"

    def _show_disk(self) -> None:
        grid, pane = self.query_one("#disk", Grid), self.query_one("#disk-pane")
        room = "".join(part.text for part in room_told(self.shell.now))
        pane.border_title = f"disk · {room}" if room else "disk"
        pane.border_subtitle = sums_told(self._usage)
        columns, rows = disk_told(self._usage) if self._usage is not None else ([], [])
        grid.empty = MEASURING if self._measuring else UNMEASURED
        grid.show(rows, columns=columns)

    def machine_seen(self) -> None:
        self.refetch()

    def tick(self) -> None:
        self._show_queue()

    def on_resize(self) -> None:
        self._show_devices()
        self._show_strip()

    # -- actions

    def chosen(self) -> dict[int, Run | None]:
        """The run in the queue under the cursor, or the one that holds the device under it."""
        grid = self.focused
        if not isinstance(grid, Grid) or grid.id not in ("queue", "devices") or grid.key is None:
            return {}
        run_id = int(str(grid.key)) if grid.id == "queue" else run_on(str(grid.key))
        run = self._found.runs.get(run_id) if self._found is not None else None
        return {run_id: run} if run is not None else {}

    def why_not(self, name: str) -> str:
        if name == "back":
            return "This is the view itself; q leaves."
        if name == "processes" and not self._has_processes():
            return "No process is on a device."
        if name in ("disk", "free") and self._measuring:
            return "It is being measured already."
        if name == "free" and self._usage is None:
            return "Look first what there is to free: d."
        if name == "free" and self._usage is not None and self._usage.garbage is None:
            return "A collection or a `data add` was at work; d looks again."
        if name == "free" and self._usage is not None and self._usage.garbage and not self._usage.garbage.found:
            return "There is nothing to free."
        return super().why_not(name)

    def do_next(self) -> None:
        self.focus_next(PARTS)

    def do_previous(self) -> None:
        self.focus_previous(PARTS)

    def _has_processes(self) -> bool:
        return self._found is not None and any(device.processes for device in self._found.overview.devices)

    def do_processes(self) -> None:
        self._wanted = not self._unfolded
        self._show_devices()

    def do_disk(self) -> None:
        self.query_one("#disk", Grid).focus()
        self.run_worker(self._measure())

    async def _measure(self, most_runs: int | None = None) -> None:
        """Look at the shed's files, unless there are more runs than `most_runs`."""
        from runners.actions.disk import Disk
        from storage.errors import TrainshedError
        from storage.read import counts

        shed = self.shell.shed
        if shed is None or self._measuring:
            return
        disk = self._disk = self._disk or Disk(shed)
        self._measuring = True
        self._show_disk()
        try:
            if most_runs is None or await beside(lambda: sum(counts.runs_by_status(shed).values())) <= most_runs:
                self._usage = await beside(disk.usage)
        except TrainshedError as err:
            self.shell.tell(err)
        finally:
            self._measuring = False
            self._show_disk()
            self.refresh_bindings()

    def do_free(self) -> None:
        garbage = self._usage.garbage if self._usage is not None else None
        assert garbage is not None  # why_not has seen to it

        def free(agreed: str | None) -> None:
            if agreed is not None:
                self.run_worker(self._free())

        told: list[Line] = [
            [Span(f"{len(garbage.found):,} things that nothing in the shed refers to are removed for good.")],
            [Span("No run, dataset or model version loses anything.", "dim")],
        ]
        dialog = Agreeing(f"free {figures.size(garbage.bytes)}", told, verb="remove them", dangerous=True)
        self.app.push_screen(dialog, free)

    async def _free(self) -> None:
        await self.shell.carry_out(_collect, lambda freed: f"{figures.size(freed)} freed")
        await self._measure()

    @on(Grid.Chosen, "#devices")
    def _device_chosen(self, event: Grid.Chosen) -> None:
        run_id = run_on(str(event.key))
        if run_id:
            self.shell.open_thing(str(run_id))
        elif self._has_processes() and not self._unfolded:
            self.do_processes()
        else:
            self.shell.say("No run of ours is on this device.", "warning")

    @on(Grid.Chosen, "#queue")
    def _run_chosen(self, event: Grid.Chosen) -> None:
        self.shell.open_thing(str(event.key))

    @on(Grid.Chosen, "#disk")
    def _part_chosen(self, event: Grid.Chosen) -> None:
        thing = leads_to(str(event.key))
        if thing:
            self.shell.open_thing(thing)
        else:
            self.shell.say("There is nothing more to see of this.", "warning")


def _collect(shed: Shed) -> int:
    from runners.actions import garbage

    return garbage.collect(shed, dry_run=False).bytes
