"""An image as half blocks: two pixels a cell, one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens.ink import Line, Span

if TYPE_CHECKING:
    from runners.actions.images import Picture

SHADES = " .:-=+*#%@"


def lines_of(picture: Picture, *, shades: bool = False) -> list[Line]:
    """The picture in lines of as many cells as it has columns; with `shades`, in characters without colours."""
    rows = picture.pixels
    pairs = [(rows[at], rows[at + 1] if at + 1 < len(rows) else rows[at]) for at in range(0, len(rows), 2)]
    return [_shaded(*pair) if shades else _coloured(*pair) for pair in pairs]


def _coloured(upper: Sequence[tuple[int, int, int]], lower: Sequence[tuple[int, int, int]]) -> Line:
    told: list[Span] = []
    for over, under in zip(upper, lower, strict=True):
        role = f"{_hex(over)} on{_hex(under)}"
        if told and told[-1].role == role:
            told[-1] = Span(told[-1].text + "▀", role)
        else:
            told.append(Span("▀", role))
    return told


def _shaded(upper: Sequence[tuple[int, int, int]], lower: Sequence[tuple[int, int, int]]) -> Line:
    light = (sum(over) + sum(under) for over, under in zip(upper, lower, strict=True))
    return [Span("".join(SHADES[min(len(SHADES) - 1, each * len(SHADES) // (6 * 255))] for each in light))]


def _hex(pixel: tuple[int, int, int]) -> str:
    red, green, blue = (each & 0xF8 for each in pixel)  # fewer colours, fewer styles
    return f"#{red:02x}{green:02x}{blue:02x}"
