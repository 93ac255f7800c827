"""Beside the lists of Home: the machine, and what happened since one was here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.acting import Acting
from screens.glyphs import gauge
from screens.ink import Line, Span, cut, joined, line, span, wrapped
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.gpus import Overview
    from runners.actions.machine import Now

SIGNS = {
    "waiting": ("!", "attention"),
    "failed": ("✗", "failed"),
    "refused": ("✗", "failed"),
    "taken back": ("!", "attention"),
    "promoted": ("●", "done"),
    "done": ("✓", "done"),
    "stopped": ("‖", "waiting"),
    "left out": ("!", "attention"),
    "trigger": ("»", "accent"),
    "data": ("+", "accent"),
    "sweep": ("✓", "done"),
    "queue": ("◌", "waiting"),
}


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
