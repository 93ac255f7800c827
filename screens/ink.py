"""Lines of text as screens write them: pieces with a meaning each, inert, measured in terminal cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from screens.inert import inert


class Span(NamedTuple):
    """A piece of a line and what it is, such as `failed bold` (see screens.themes)."""

    text: str
    role: str = ""


Line = Sequence[Span]


def span(text: object, role: str = "") -> Span:
    """Text from outside made harmless."""
    return Span(inert(str(text)), role)


def line(*parts: Span | str) -> list[Span]:
    """A line of spans and of our own plain words."""
    return [Span(part) if isinstance(part, str) else part for part in parts]


def width_of(parts: Iterable[Span]) -> int:
    return sum(cell_len(part.text) for part in parts)


def cut(parts: Line, width: int) -> list[Span]:
    """The line in at most `width` cells; what does not fit gives way to an ellipsis."""
    if width_of(parts) <= width:
        return list(parts)
    if width <= 0:
        return []
    done: list[Span] = []
    room = width - 1
    for part in parts:
        size = cell_len(part.text)
        if size > room:
            done += [Span(set_cell_size(part.text, room), part.role), Span("…", part.role)]
            break
        done.append(part)
        room -= size
    return done


def padded(parts: Line, width: int, align: str = "l") -> list[Span]:
    """The line in exactly `width` cells; `align` is l, r or c."""
    told = cut(parts, width)
    gap = width - width_of(told)
    if gap <= 0:
        return told
    left = gap if align == "r" else gap // 2 if align == "c" else 0
    return [*([Span(" " * left)] if left else []), *told, *([Span(" " * (gap - left))] if gap > left else [])]


def spread(left: Line, right: Line, width: int) -> list[Span]:
    """`left` and `right` at the two ends; the left one gives way."""
    right = cut(right, width)
    room = width - width_of(right)
    return [*padded(cut(left, max(0, room - 1)), room), *right]


def wrapped(text: str, width: int, role: str = "") -> list[list[Span]]:
    """Words from outside in lines of at most `width` cells."""
    lines: list[list[Span]] = []
    for paragraph in text.split("\n"):
        current = ""
        for word in inert(paragraph.expandtabs(4)).split(" "):
            while cell_len(word) > width > 0:
                if current:
                    lines.append([Span(current, role)])
                    current = ""
                head = set_cell_size(word, width)
                lines.append([Span(head, role)])
                word = word[len(head.rstrip()) or 1 :]
            if current and cell_len(current) + 1 + cell_len(word) > width:
                lines.append([Span(current, role)])
                current = word
            else:
                current = f"{current} {word}" if current else word
        lines.append([Span(current, role)])
    return lines


def joined(parts: Iterable[Line], between: str = "  ") -> list[Span]:
    """Lines one after another, with `between` them."""
    done: list[Span] = []
    for part in parts:
        if not part:
            continue
        if done:
            done.append(Span(between, "faint"))
        done += part
    return done


def folded(parts: Line, width: int) -> list[list[Span]]:
    """A line as several, broken at spaces where it is wider than `width`."""
    if width_of(parts) <= width:
        return [list(parts)]
    lines: list[list[Span]] = [[]]
    room = width
    for part in parts:
        for piece in _pieces(part):
            size = cell_len(piece.text)
            if size > room and lines[-1]:
                lines.append([])
                room = width
                piece = Span(piece.text.lstrip(), piece.role)
                size = cell_len(piece.text)
            lines[-1].append(Span(set_cell_size(piece.text, width), piece.role) if size > width else piece)
            room -= size
    return lines


def _pieces(part: Span) -> list[Span]:
    """Its words, each with the space before it."""
    words = part.text.split(" ")
    return [Span(words[0], part.role), *(Span(f" {word}", part.role) for word in words[1:])]


def escaped(text: str) -> str:
    """Text from outside for a title in a border, which would read brackets as markup."""
    from textual.markup import escape

    return escape(inert(text))
