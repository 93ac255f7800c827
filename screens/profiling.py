"""What a column profile says, in a few characters."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from screens import figures

if TYPE_CHECKING:
    from storage.profiles import ColumnProfile
    from storage.profiling import Histogram, Value

LEVELS = "▁▂▃▄▅▆▇█"
PLAIN_LEVELS = "_.:-=+*#"
SKETCH = 10  # characters of a histogram in a line
BRIEF = 12  # characters of a value in a line
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def briefly(*values: Value) -> list[str]:
    """Values of one column in a few characters each: times without what they have in common, or by the day."""
    told = [text(value) for value in values]
    days = {each[:10] for each in told if each}
    if all(MOMENT.match(each) for each in told if each):
        told = [each[11:19] if len(days) == 1 else each[:10] for each in told]
    return [each if len(each) <= BRIEF else each[: BRIEF - 1] + "…" for each in told]


def text(value: Value) -> str:
    """A value of a profile; whole numbers without commas, since they may be years or ids."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return figures.number(value).replace(",", "")
    return value.replace("T", " ", 1) if MOMENT.match(value.replace("T", " ", 1)) else value


def share(count: int, rows: int) -> str:
    percent = 100 * count / rows if rows else 0.0
    return "<0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def sketch(histogram: Histogram | None, levels: str) -> str:
    """A histogram in ten characters; nothing where there is none."""
    if histogram is None or not any(histogram.counts):
        return ""
    counts = histogram.counts
    step = max(1, -(-len(counts) // SKETCH))
    sums = [sum(counts[i : i + step]) for i in range(0, len(counts), step)]
    highest = max(sums)
    return "".join(levels[-(-count * (len(levels) - 1) // highest)] if count else " " for count in sums)


def bin_told(column: ColumnProfile, low: Value, high: Value) -> str:
    if column.type == "integer" and isinstance(low, float) and isinstance(high, float):
        first, last = math.ceil(low), math.floor(high)  # the edges lie between whole numbers
        return str(first) if first == last else f"{first} … {last}"
    return f"{text(low)} … {text(high)}"
