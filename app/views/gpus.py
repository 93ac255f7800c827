"""GPUs and CPU slots as a person reads them: the devices, what works on them, and everybody's hours."""

from __future__ import annotations

import shutil
from typing import Any

from app.output import At, Output, Styled, Table, can_write
from runners.actions.gpus import Device, Held, Overview
from runners.actions.process_tree import Process
from runners.actions.timeline import Timeline
from screens import figures
from screens.charts.timeline import timeline
from screens.glyphs import ASCII
from storage.counted import counted

SHORT = 60  # characters of a command line; --json has all
WIDEST = 120  # cells of the timeline


def show(out: Output, found: Overview) -> None:
    """All of it; as JSON one line a device, and one a user."""
    for device in found.devices:
        out.emit("device", device_facts(device))
    for hours in found.hours:
        out.emit("hours", user=hours.user, week=round(hours.week, 4), counted=round(hours.counted, 4))
    out.finish(
        host=found.host,
        gpus=found.gpus,
        devices=len(found.devices),
        held=sum(bool(device.held) for device in found.devices),
        cores=found.cores,
        load=round(found.load, 2),
        half_life_hours=found.half_life_hours,
    )
    if out.json_lines:
        return
    if not found.gpus:
        slots = counted(len(found.devices), "CPU slot")
        out.say(f"no NVIDIA GPU here: runs wait for {slots} instead; load {found.load:.2f} on {found.cores} cores")
        out.say()
    out.table(_devices(found), aligned=not out.terminal)
    for device in found.devices:
        if device.stranger:
            out.warn(f"{device.device}: {device.stranger}, without a lease; runs wait until it is gone")
        if device.mig:
            out.note(f"{device.device} is divided into MIG instances: no run is given it")
    working = [(device, process) for device in found.devices for process in device.processes]
    if working:
        out.say()
        out.table(_processes(working), aligned=not out.terminal)
    if found.hours:
        out.say()
        out.table(_hours(found), aligned=not out.terminal)


def show_timeline(out: Output, found: Timeline) -> None:
    """The last hour of every device and what comes; as JSON one line a run on a device."""
    for device, stretches in found.lanes.items():
        for each in stretches:
            ends = At(each.ends) if each.ends is not None else None
            facts = {"run": each.run, "name": each.name, "user": each.user, "begins": At(each.begins), "ends": ends}
            out.emit("stretch", facts, device=device, when=each.when)
    if out.json_lines or not any(found.lanes.values()):
        return
    out.say()
    for line in timeline(found, min(shutil.get_terminal_size().columns, WIDEST)):
        told = "".join(part.text for part in line).rstrip()
        out.say(told if can_write(out.people, told) else told.translate(ASCII))


def device_facts(device: Device) -> dict[str, Any]:
    return {
        "device": device.device,
        "name": device.name,
        "uuid": device.uuid,
        "mig": device.mig,
        "use_percent": device.use_percent,
        "memory_used": device.memory_used,
        "memory_total": device.memory_total,
        "power_w": device.power_w,
        "power_limit_w": device.power_limit_w,
        "temperature_c": device.temperature_c,
        "stranger": device.stranger,
        "held": [{**vars(held), "since": At(held.since)} for held in device.held],
        "processes": [vars(process) for process in device.processes],
    }


def _devices(found: Overview) -> Table:
    """A line a lease: a GPU that is shared has several. Columns that say nothing here are left out."""
    columns = ["device", "", "use", "memory", "power", "temp", "held by", "run", "since"]
    rows = []
    for device in found.devices:
        for place, held in enumerate(device.held or [None]):
            readings = _readings(device) if place == 0 else ["", "", "", "", "", ""]
            rows.append([*readings, *_lease(held, device)])
    kept = [place for place in range(len(columns)) if any(row[place] != "" for row in rows)]
    kept = [place for place in kept if columns[place] != "" or found.gpus]
    align = "".join("llrrrrlll"[place] for place in kept)
    return Table([columns[place] for place in kept], [[row[place] for place in kept] for row in rows], align=align)


def _readings(device: Device) -> list[Any]:
    used, total = device.memory_used, device.memory_total
    memory = "" if used is None else figures.size(used) if total is None else _of(used, total)
    power, limit = device.power_w, device.power_limit_w
    return [
        device.device,
        device.name,
        f"{device.use_percent:.0f} %" if device.use_percent is not None else "",
        memory,
        "" if power is None else f"{power:.0f} W" if limit is None else f"{power:.0f}/{limit:.0f} W",
        f"{device.temperature_c:.0f} °C" if device.temperature_c is not None else "",
    ]


def _lease(held: Held | None, device: Device) -> list[Any]:
    if held is None:
        word = Styled("a stranger", "yellow") if device.stranger else "" if device.mig else Styled("free", "green")
        return [word, "", ""]
    claim = f" ({figures.size(held.memory)})" if held.memory is not None else ""
    run = f"{held.run} {held.name}".strip() if held.run else "unknown"
    return [(held.user or "unknown") + claim, run, At(held.since or None)]


def _of(used: int, total: int) -> str:
    """`41/80 GB`, in the unit of the larger."""
    size = figures.size(total)
    amount, unit = size.split(" ")
    return f"{used / total * float(amount):.{1 if '.' in amount else 0}f}/{size}" if unit != "B" else size


def _processes(working: list[tuple[Device, Process]]) -> Table:
    rows = []
    for device, process in working:
        command = process.command if len(process.command) <= SHORT else process.command[: SHORT - 1] + "…"
        memory = figures.size(process.memory_bytes) if process.memory_bytes is not None else ""
        run = Styled("none", "yellow") if process.stranger else str(process.run or "")
        what = "  " * max(0, process.depth - 1) + ("└ " if process.depth else "") + process.role
        rows.append([device.device, str(process.pid), process.user, memory, run, what, command])
    return Table(["device", "pid", "user", "memory", "run", "what", "command"], rows, align="lrlrrll")


def _hours(found: Overview) -> Table:
    rows = [[hours.user, f"{hours.week:.2f}", f"{hours.counted:.2f}"] for hours in found.hours]
    counted = f"counted (half after {found.half_life_hours:g} h)"
    return Table(["user", "device-hours in 7 days", counted], rows, align="lrr")
