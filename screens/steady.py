"""Readings of the machine that hold still: what is shown stays until it is wrong by a step that would matter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from runners.actions.machine import GpuNow, Now

Reading = TypeVar("Reading", float, float | None)

PERCENT = 10.0
DEGREES = 3.0
WATTS = 20.0
SHARE = 0.02  # of all memory, of the whole disk
LOAD = 0.5


def steadied(shown: Now | None, now: Now) -> Now:
    """The new readings, where they differ enough from those that are `shown`."""
    if shown is None or len(shown.gpus) != len(now.gpus):
        return now
    return replace(
        now,
        cpu_percent=_kept(shown.cpu_percent, now.cpu_percent, PERCENT),
        load=_kept(shown.load, now.load, LOAD),
        memory_used=_kept(shown.memory_used, now.memory_used, SHARE * now.memory_total),
        disk_free=_kept(shown.disk_free, now.disk_free, SHARE * (now.disk_total or 0.0)),
        disk_total=_kept(shown.disk_total, now.disk_total, SHARE * (now.disk_total or 0.0)),
        gpus=[_gpu(before, gpu) for before, gpu in zip(shown.gpus, now.gpus, strict=True)],
    )


def _gpu(shown: GpuNow, now: GpuNow) -> GpuNow:
    return replace(
        now,
        percent=_kept(shown.percent, now.percent, PERCENT),
        memory_used=_kept(shown.memory_used, now.memory_used, SHARE * (now.memory_total or 0.0)),
        temperature=_kept(shown.temperature, now.temperature, DEGREES),
        power=_kept(shown.power, now.power, WATTS),
    )


def _kept(shown: Reading, now: Reading, step: float) -> Reading:
    if shown is None or now is None or abs(now - shown) >= step:
        return now
    return shown
