"""Our figures beside the floor and the peers: `make bench`, or `python -m benchmarks [NAME]…` with those there are.

Each module has `measure() -> list[Row]`. Absolute figures say little about another machine; the ratios are the result.
"""

from __future__ import annotations

from typing import TypedDict


class Row(TypedDict):
    """One line of the table; figures are medians in `unit`. `goal` says what the ratio should come to."""

    what: str
    ours: float
    floor: float | None
    peers: dict[str, float]
    goal: str
    unit: str
