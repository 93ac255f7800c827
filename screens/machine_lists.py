"""What Machine lists: devices and who has them, what waits, everybody's hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import gauge
from screens.ink import Line, Span, line, span
from screens.outlook import begins
from screens.widgets.grid import Column, Row
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.gpus import Device, Held, Hours, Overview
    from runners.actions.process_tree import Process
    from storage.read.queue import Entry

GAUGE = 8
MOST_PROCESSES = 12  # of a device, one line each
INDENT = 9  # of the processes, below their device

NOTHING_WAITS: list[Line] = [
    [Span("Nothing waits.", "bold")],
    line(Span("n", "accent"), Span(" in Runs queues a run of this project,", "dim")),
    line(Span("trainshed exec -- CMD", "accent"), Span(" any command.", "dim")),
]


def devices_told(found: Overview, now: float, *, names: bool, unfolded: bool) -> tuple[list[Column], list[Row]]:
    """A line a lease (a GPU that is shared has several), and `unfolded` the tree of the processes there below it."""
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
        rows += _processes(device) if unfolded else []
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


def _processes(device: Device) -> list[Row]:
    """Their tree; what belongs to no run of ours stands out."""
    names = {held.run: held.name for held in device.held}
    shown = device.processes[:MOST_PROCESSES]
    rows = [
        Row(f"{device.device} pid {each.pid} {each.run or 0}", (_process(each, names),), whole=True) for each in shown
    ]
    more = len(device.processes) - len(shown)
    if more:
        told = [Span(f"{'':{INDENT}}and {more} more: trainshed gpus", "faint")]
        rows.append(Row(f"{device.device} more", (told,), plain=True))
    return rows


def _process(process: Process, names: Mapping[int, str]) -> Line:
    """`└ supervisor of 142 lr-sweep/7   4711  ana  38 MB  python …`."""
    memory = figures.size(process.memory_bytes) if process.memory_bytes is not None else ""
    of = f" of {process.run} {names.get(process.run, '')}".rstrip() if process.run and process.role else ""
    return line(
        Span(" " * (INDENT + 2 * max(0, process.depth - 1)) + ("└ " if process.depth else ""), "faint"),
        *([Span(process.role), span(of), Span("  ")] if process.role else []),
        Span(f"{process.pid}  ", "dim"),
        span(process.user, "attention" if process.stranger else "dim"),
        Span(f"  {memory}" if memory else "", "dim"),
        span(f"  {process.command}", "faint"),
    )


def _holder(device: Device, held: Held | None, now: float) -> list[Line]:
    if held is None:
        if device.stranger:
            return [[Span("a stranger", "attention")], [span(device.stranger, "attention")], []]
        return [[Span("MIG" if device.mig else "free", "dim" if device.mig else "done")], [], []]
    claim = f" {figures.size(held.memory)}" if held.memory is not None else ""
    run = line(Span(f"{held.run} ", "dim"), span(held.name)) if held.run else [Span("unknown", "dim")]
    return [[span(held.user or "unknown"), Span(claim, "dim")], run, [Span(_short(now - held.since))]]


def queue_told(
    waiting: Sequence[Entry], outlooks: Mapping[int, Outlook], *, gpus: bool, now: float, passed: float
) -> tuple[list[Column], list[Row]]:
    """What waits, as it is given; it was foreseen `passed` seconds ago."""
    with_priority = any(entry.queued.priority for entry in waiting)
    columns = [
        Column("", width=1),
        Column("run", "r", least=3, role="dim"),
        Column("name", least=10, most=36),
        Column("user", most=12, rank=7, role="dim"),
        *([Column("wants", rank=5, role="dim")] if gpus else []),
        *([Column("priority", "r", rank=4)] if with_priority else []),
        Column("starts", "r", least=7),
        Column("why not yet", grow=True, least=34, most=120, rank=6, role="dim"),
        Column("queued", "r", rank=2, role="dim"),
    ]
    rows = []
    for entry in waiting:
        run, queued = entry.run, entry.queued
        outlook = outlooks.get(queued.run_id)
        wants = counted(queued.gpus, "gpu") if queued.gpus else "cpu"
        share = f" {figures.size(queued.gpu_memory)}" if queued.gpu_memory else ""
        elsewhere = "" if outlook is not None else f"on {run.host}"
        cells: list[Line] = [
            [Span("◌", "waiting")],
            [Span(str(queued.run_id))],
            [span(run.name)],
            [span(run.user)],
            *([[Span(wants + share)]] if gpus else []),
            *([[Span(str(queued.priority) if queued.priority else "")]] if with_priority else []),
            [Span(begins(outlook, passed), "bold")],
            [span(outlook.held if outlook is not None else elsewhere)],
            [Span(figures.ago(queued.queued_at, now))],
        ]
        rows.append(Row(queued.run_id, tuple(cells)))
    return columns, rows


def turn(entry: Entry, outlook: Outlook | None) -> tuple[float, int, float, int]:
    """Sorts what waits by when it will likely start."""
    starts = outlook.starts_in.likely if outlook is not None and outlook.starts_in is not None else float("inf")
    return starts, -entry.queued.priority, entry.queued.position, entry.queued.run_id


def run_on(key: str) -> int:
    """The run of a line of devices, or of a process below one; 0 where there is none."""
    number = key.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0


def _short(seconds: float) -> str:
    return figures.about(seconds).lstrip("~") if seconds >= 10 else "now"


def hours_told(hours: Sequence[Hours]) -> tuple[list[Column], list[Row]]:
    """How long everybody has had devices."""
    columns = [Column("user", grow=True), Column("7 days", "r"), Column("fair share counts", "r")]
    rows = [
        Row(each.user, ([span(each.user)], [Span(f"{each.week:.2f}")], [Span(f"{each.counted:.2f}")])) for each in hours
    ]
    return columns, rows
