"""A lineage as the lines of a tree."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from screens import figures
from screens.glyphs import glyph
from screens.ink import Line, Span, span
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from runners.actions.lineage import Lineage, Node

SHOWN = 5  # facts on a line
MOMENTS = ("at", "created", "started")


def columns() -> list[Column]:
    return [Column("", grow=True, least=24, most=70), Column("", rank=3, most=120, grow=True)]


def rows_of(found: Lineage) -> list[Row]:
    """The thing itself with what it came from below it, then what came of it. A key is (id to go to or "", number)."""
    rows = _tree(found.back, "", "", number=[0])
    if found.onward:
        rows.append(Row(("", -1), ([], [])))
        rows.append(Row(("", -2), ([Span("what came of it", "bold")], []), plain=True))
        number = [100_000]
        for place, node in enumerate(found.onward):
            last = place == len(found.onward) - 1
            rows += _tree(node, "└ " if last else "├ ", "  " if last else "│ ", number=number)
    return rows


def _tree(node: Node, head: str, below: str, number: list[int]) -> list[Row]:
    number[0] += 1
    role = "bold" if not head or node.id else ""
    held = node.facts.get("held")
    status = str(node.facts.get("status", "")) if held is None else "passed" if held else "failed"
    title: Line = [Span(head, "faint"), *([glyph(status), Span(" ")] if status else []), span(node.title, role)]
    facts = _facts(node.facts)
    bare = not (node.id or facts)  # a verdict in words: it has the whole line, and there is nothing behind it
    rows = [Row((node.id, number[0]), (title,) if bare else (title, [span(facts, "dim")]), plain=bare)]
    for place, child in enumerate(node.children):
        last = place == len(node.children) - 1
        rows += _tree(child, below + ("└ " if last else "├ "), below + ("  " if last else "│ "), number)
    return rows


def _facts(facts: dict[str, Any]) -> str:
    told = []
    for name, value in facts.items():
        if value in (None, "", [], {}) or name in ("status", "held"):
            continue
        if name in MOMENTS:
            told.append(f"{name} {figures.ago(datetime.fromisoformat(value).timestamp())}".removeprefix("at "))
            continue
        if name == "seconds":
            told.append(figures.duration(value))
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {_value(item)}" for key, item in list(value.items())[:SHOWN])
        told.append(f"{name} {figures.size(value) if name == 'bytes' else _value(value)}".removeprefix("bytes "))
    return " · ".join(told)


def _value(value: Any) -> str:
    if isinstance(value, (int, float)):
        return figures.number(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
