"""Predictions as lines: when, by what, what, how sure, how fast, and of what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from screens.cells import short
from screens.glyphs import bar
from screens.ink import Line, Span, span
from screens.widgets.grid import Column

if TYPE_CHECKING:
    from runners.actions.predictions import Prediction

GAUGE = 8
FAR_S = 20 * 3600.0  # a time of day says no more which day


def columns_of() -> list[Column]:
    """The columns of a list of predictions."""
    return [
        Column("at", rank=6, role="dim"),
        Column("by", "r", rank=4, role="dim"),
        Column("prediction", least=12, rank=9),
        Column("truth", rank=7),
        Column("ms", "r", rank=3, role="dim"),
        Column("inputs", grow=True, least=20, most=400, rank=8),
    ]


def cells_of(each: Prediction, now: float) -> tuple[Line, ...]:
    """One line of the list."""
    inputs: list[Span] = []
    for name, value in each.inputs.items():
        inputs += [span(name, "dim"), Span(" "), span(value_text(value)), Span("  ")]
    day = "%H:%M:%S" if now - each.at < FAR_S else "%m-%d %H:%M"
    return (
        [Span(time.strftime(day, time.localtime(each.at)))],
        [Span(f"v{each.version}")],
        predicted(each),
        [span(value_text(each.truth), "bold")] if each.truth is not None else [],
        [Span(f"{each.ms:.1f}")],
        inputs,
    )


def predicted(each: Prediction) -> list[Span]:
    """The value, and how sure it is as a bar."""
    share = [*bar(each.share, GAUGE, "accent"), Span(" ")] if each.share is not None else []
    if each.share is not None and each.value != each.share:
        return [*share, span(value_text(each.value), "bold"), Span(f" {each.share:.2f}", "dim")]
    return [*share, span(value_text(each.value), "bold")]


def value_text(value: Any) -> str:
    """A value of JSON in a few signs."""
    return "null" if value is None else short(value)
