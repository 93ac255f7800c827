"""What takes the disk, as Machine lists it: the largest first, and what gc would free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import gauge
from screens.ink import Line, Span, line, span
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from runners.actions.disk import Kind, Part, Usage
    from runners.actions.machine import Now

GAUGE = 10
SHOWN = 400  # of thousands of runs; the rest is told as a sum
KINDS: dict[Kind, str] = {"dataset": "datasets", "run": "runs", "model": "models"}
ROLES = {"garbage": "attention", "shed": "faint"}

UNMEASURED: list[Line] = [
    line(Span("d", "accent"), Span(" measures it: by dataset, run and model,", "dim")),
    [Span("and what gc would free.", "dim")],
]
MEASURING: list[Line] = [[Span("measuring …", "running")]]


def disk_told(found: Usage) -> tuple[list[Column], list[Row]]:
    """A line a thing, the largest first."""
    columns = [
        Column("", least=7, rank=8, role="dim"),
        Column("", least=6, most=28),
        Column("", grow=True, most=60, rank=3, role="dim"),
        Column("", width=GAUGE, rank=4),
        Column("size", "r", least=7),
        Column("linked", "r", rank=2, role="dim"),
        Column("gc frees", "r", rank=7),
    ]
    most = max((part.size.bytes for part in found.parts), default=0) or 1
    rows = [Row(f"{part.kind} {part.name}", _cells(part, most)) for part in found.parts[:SHOWN]]
    rest = found.parts[SHOWN:]
    if rest:
        size = figures.size(sum(part.size.bytes for part in rest))
        rows.append(
            Row("rest", ([], [], [Span(f"and {len(rest):,} more", "faint")], [], [Span(size, "faint")], [], []))
        )
    return columns, rows


def _cells(part: Part, most: int) -> tuple[Line, ...]:
    role = ROLES.get(part.kind, "")
    return (
        [Span(part.kind, role or "dim")],
        [span(part.name, role)],
        [span(part.about)],
        gauge(part.size.bytes / most, GAUGE, role or "accent"),
        [Span(figures.size(part.size.bytes), role)],
        [Span(figures.size(part.size.linked) if part.size.linked else "")],
        [Span(figures.size(part.freed) if part.freed else "", "attention")],
    )


def room_told(now: Now | None) -> Line:
    """`41 GB free of 100 GB`, alarming where it is little."""
    if now is None or now.disk_free is None or not now.disk_total:
        return []
    used = 1 - now.disk_free / now.disk_total
    role = "failed" if used > 0.95 else "attention" if used > 0.85 else "dim"
    return [Span(f"{figures.size(round(now.disk_free))} free of {figures.size(round(now.disk_total))}", role)]


def sums_told(found: Usage | None) -> str:
    """`datasets 12 GB · runs 3.1 GB · models 40 MB · gc frees 2.0 kB`."""
    if found is None:
        return ""
    told = [f"{name} {figures.size(found.of(kind))}" for kind, name in KINDS.items() if found.of(kind)]
    if found.garbage is None:
        told.append("a collection is at work")
    else:
        told.append(f"gc frees {figures.size(found.garbage.bytes)}" if found.garbage.found else "nothing for gc")
    return " · ".join(told)


def leads_to(key: str) -> str:
    """What a line opens: `12`, `flight-delay`; empty where there is nothing more to see."""
    kind, _, name = key.partition(" ")
    return name if kind in ("run", "dataset", "model") else ""
