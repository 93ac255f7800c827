"""A timeline: a line a device, and on it who had it within the last hour, who has it, and who will have it next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from screens.inert import inert
from screens.ink import Line, Span, span, width_of

if TYPE_CHECKING:
    from runners.actions.timeline import Stretch, Timeline

AHEAD_S = (3600.0, 7200.0, 10800.0)  # the least of these that all which comes fits into, else the last
STEPS_MIN = (5, 10, 15, 30, 60)
TICK = 11  # cells that a tick wants for its words
LEAST = 7  # cells for a name that is cut short, beside the number
COLOURS = 8
HELD, LIKELY, EDGE, NOW, DOT = "█", "░", "▌", "│", "·"

Cell = tuple[str, str]  # a character and its role


@dataclass(frozen=True)
class Scale:
    """From `begins` to `ends`, in seconds since the epoch, across `columns` cells."""

    begins: float
    now: float
    ends: float
    columns: int

    def column(self, at: float) -> int:
        """The cell that a moment falls into; it may lie outside."""
        return int((at - self.begins) // ((self.ends - self.begins) / self.columns))


def timeline(found: Timeline, width: int, *, roomy: bool = False) -> list[Line]:
    """The axis, and below it a line a device, with a blank one between if there is room. A colour is a user."""
    names = [span(f"{device}  ") for device in found.lanes]
    margin = max((width_of([name]) for name in names), default=0)
    columns = width - margin
    if columns < TICK:
        return []
    scale = _scale(found, columns)
    ticks = _ticks(scale)
    users = sorted({each.user for stretches in found.lanes.values() for each in stretches})
    roles = {user: f"curve{place % COLOURS}" for place, user in enumerate(users)}
    lines: list[Line] = [[Span(" " * margin), *_axis(scale, ticks)]]
    for name, stretches in zip(names, found.lanes.values(), strict=True):
        lane = _lane(stretches, scale, ticks, roles, with_user=len(users) > 1)
        lines += [[]] if roomy else []
        lines.append([Span(name.text.ljust(margin), "bold"), *_spans(lane)])
    return lines


def beyond(found: Timeline) -> int:
    """How many runs will begin later than the timeline reaches."""
    end = found.now + _ahead(found)
    return len({each.run for stretches in found.lanes.values() for each in stretches if each.begins >= end})


def _ahead(found: Timeline) -> float:
    ends = (each.ends or each.begins for stretches in found.lanes.values() for each in stretches)
    needed = max(ends, default=found.now) - found.now
    return next((ahead for ahead in AHEAD_S if needed <= ahead), AHEAD_S[-1])


def _scale(found: Timeline, columns: int) -> Scale:
    """It moves on by whole cells: between two moves nothing is drawn again."""
    ahead = _ahead(found)
    cell = (found.past_s + ahead) / columns
    now = found.now // cell * cell
    return Scale(now - found.past_s, now, now + ahead, columns)


def _ticks(scale: Scale) -> dict[int, int]:
    """Column → minutes from now, as many as have room for their words."""
    minutes = (scale.ends - scale.begins) / 60
    step = next((step for step in STEPS_MIN if step / minutes * scale.columns >= TICK), STEPS_MIN[-1])
    first, last = -round((scale.now - scale.begins) / 60), round((scale.ends - scale.now) / 60)
    told = range(-(-first // step) * step, last + 1, step)
    return {scale.column(scale.now + 60 * each): each for each in told}


def _axis(scale: Scale, ticks: dict[int, int]) -> list[Span]:
    """The words of the ticks, each in the middle over its column where that lies inside."""
    line: list[Span] = []
    at = 0
    for column, minutes in ticks.items():
        words = _words(minutes)
        place = min(max(0, column - len(words) // 2), scale.columns - len(words))
        if place > at or not line:
            line += [Span(" " * (place - at)), Span(words, "accent" if minutes == 0 else "dim")]
            at = place + len(words)
    return line


def _words(minutes: int) -> str:
    """`-45 min`, `now`, `+1 h 30`."""
    if minutes == 0:
        return "now"
    hours, rest = divmod(abs(minutes), 60)
    told = f"{rest} min" if not hours else f"{hours} h {rest}" if rest else f"{hours} h"
    return f"{'+' if minutes > 0 else '-'}{told}"


def _lane(
    stretches: list[Stretch], scale: Scale, ticks: dict[int, int], roles: dict[str, str], *, with_user: bool
) -> list[Cell]:
    cells: list[Cell] = [(DOT if column in ticks else " ", "faint") for column in range(scale.columns)]
    here = scale.column(scale.now)
    cells[here] = (NOW, "accent")
    last = -1  # the cell where the stretch before ended
    for each in sorted(stretches, key=lambda each: each.begins):
        begins, ends = scale.column(each.begins), _end(each, scale)
        if ends < 0 or begins >= scale.columns:
            continue
        begins, ends = max(begins, 0), min(ends, scale.columns - 1)
        if begins == last + 1 and last >= 0 and cells[last][0] in (HELD, LIKELY):
            cells[last] = (EDGE, cells[last][1])
        likely = {"coming": begins, "now": max(begins, min(ends, here) + 1), "past": ends + 1}[each.when]
        role = roles[each.user]
        _make_room(cells, begins, ends)
        for column in range(begins, ends + 1):
            cells[column] = (LIKELY if column >= likely else HELD, role)
        _label(cells, each, ((begins, likely), (likely, ends + 1)), role, with_user=with_user)
        last = ends
    return cells


def _make_room(cells: list[Cell], begins: int, ends: int) -> None:
    """A sign two cells wide, of a name that will be covered by half, gives way."""
    for beside, inside in ((begins - 1, begins), (ends, ends + 1)):
        if 0 < inside < len(cells) and not cell_len(cells[inside][0]):
            for column in (beside, inside):
                cells[column] = (HELD, cells[column][1])


def _end(each: Stretch, scale: Scale) -> int:
    """The last cell of a stretch, at least that of its begin. Where nobody knows it, a run that works has one more."""
    first = scale.column(each.begins)
    if each.ends is None:
        return max(first, scale.column(scale.now) if each.when == "now" else first)
    exact = scale.column(each.ends)
    return max(first, exact - (scale.begins + exact * (scale.ends - scale.begins) / scale.columns >= each.ends))


def _label(
    cells: list[Cell], each: Stretch, parts: tuple[tuple[int, int], tuple[int, int]], role: str, *, with_user: bool
) -> None:
    """Number, name and user as far as there is room: on what is known of it, else on what is likely."""
    number = str(each.run) if each.run else ""
    whole = inert(" ".join(filter(None, (number, each.name))) or each.user)
    known, likely = parts
    enough = len(number) + LEAST
    begins, ends = known if known[1] - known[0] > min(enough, likely[1] - likely[0]) else likely
    room = ends - begins - 1
    with_all = f" {whole} · {inert(each.user)} "
    text = with_all if with_user and cell_len(with_all) <= room else f" {whole} "
    if cell_len(text) > room:
        text = f" {set_cell_size(whole, room - 3)}… " if room >= enough else f" {number} "
    if cell_len(text) <= room and text.strip():
        _write(cells, begins, text, f"{role} reverse" if cells[begins][0] == HELD else role)


def _write(cells: list[Cell], at: int, text: str, role: str) -> None:
    """A sign that is two cells wide takes the next one too, one that is none joins the one before."""
    for sign in text:
        width = cell_len(sign)
        if not width:
            cells[at - 1] = (cells[at - 1][0] + sign, role)
            continue
        cells[at : at + width] = [(sign, role), *([("", role)] * (width - 1))]
        at += width


def _spans(cells: list[Cell]) -> Iterator[Span]:
    for role, run in groupby(cells, key=lambda cell: cell[1]):
        yield Span("".join(sign for sign, _ in run), role)
