"""The first line: project, machine, what is going on, and who is asking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.acting import Acting
from screens.glyphs import gauge
from screens.ink import Line, Span, joined, span, spread, width_of
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.machine import GpuNow, Now

STALE_S = 3.0  # news that could not be read for so long are told to be old


class Header(Acting, Painted):
    """One line; the machine gives way first where the room is short."""

    def paint(self, width: int, height: int) -> Sequence[Line]:
        shell = self.shell
        left = [Span(" trainshed", "accent bold")]
        if shell.project:
            left += [Span(" · ", "faint"), span(shell.project)]
        who = span(f"{shell.user}@{shell.host} " if shell.user else "", "dim")
        news = self._news()
        machine = told(shell.now) if shell.now is not None else []
        for right in (
            [*joined([machine, news, [who]], "   ")],
            [*joined([news, [who]], "   ")],
            [*joined([news, [Span(" ")]], "")],
        ):
            if width_of(left) + width_of(right) + 2 <= width:
                return [spread(left, right, width)]
        return [spread(left, [], width)]

    def _news(self) -> list[Span]:
        shell, parts = self.shell, []
        standing = shell.standing
        age = time.time() - shell.stale_since if shell.stale_since is not None else 0.0
        if age > STALE_S:
            told = f"{age:.0f} s ago" if age < 60 else figures.ago(time.time() - age)
            parts.append([Span(f"updated {told}", "attention")])
        if standing.read_only:
            parts.append([Span("read-only", "attention")])
        if standing.running:
            parts.append([Span("●", "running"), Span(f" {standing.running} running")])
        if standing.queued:
            parts.append([Span("◌", "waiting"), Span(f" {standing.queued} queued")])
        if standing.waiting:
            parts.append([Span("!", "attention"), Span(f" {standing.waiting} for you")])
        return joined(parts)


def told(now: Now) -> list[Span]:
    """The GPUs in a few cells each; without any, the processors and the memory."""
    if now.gpus:
        return joined([_gpu(gpu) for gpu in now.gpus[:4]])
    parts = []
    if now.cpu_percent is not None:
        parts.append([Span("cpu ", "dim"), *gauge(now.cpu_percent / 100, 6), Span(f" {now.cpu_percent:3.0f} %")])
    if now.memory_used is not None:
        parts.append([Span("ram ", "dim"), Span(f"{now.memory_used / 1e9:.0f}/{now.memory_total / 1e9:.0f} GB")])
    return joined(parts)


def _gpu(gpu: GpuNow) -> list[Span]:
    parts = [Span(f"{gpu.name} ", "dim")]
    if gpu.percent is not None:
        parts += [*gauge(gpu.percent / 100, 6), Span(f" {gpu.percent:.0f} %")]
    if gpu.temperature is not None:
        parts.append(Span(f" {gpu.temperature:.0f}°", "dim"))
    if gpu.memory_used is not None and gpu.memory_total:
        parts.append(Span(f" {gpu.memory_used / 1e9:.0f}/{gpu.memory_total / 1e9:.0f}G"))
    return parts
