"""Axes with round ends that stay where they are: a curve that grows does not shake the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
DAY_S = 86400.0
CLOCK_STEPS = (  # seconds: what one counts minutes and hours by
    *(float(second) for second in (1, 2, 5, 10, 15, 30)),
    *(60.0 * minute for minute in (1, 2, 5, 10, 15, 30)),
    *(3600.0 * hour for hour in (1, 2, 3, 6, 12)),
    DAY_S,
)
LEAST_SPAN = 1e-300  # what is smaller has no round steps among the numbers of a computer
FULL_ENOUGH = 0.35  # of an axis that its values may shrink to before it is drawn anew


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` with a tick every `step`. A logarithmic one has powers of ten as ticks."""

    low: float
    high: float
    step: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands: 0 at the low end, 1 at the high one."""
        if self.log:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def value(self, place: float) -> float:
        """The value at a place between 0 and 1."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return float(10 ** (low + place * (high - low)))
        return self.low + place * (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.log:
            low, high = round(math.log10(self.low)), round(math.log10(self.high))
            every = max(1, (high - low) // 6)
            return [10.0**power for power in range(low, high + 1, every)]
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, last + 1)]

    def tell(self, value: float) -> str:
        """A tick's value, with as many digits as the step has."""
        if self.log:
            small = 1e-3 <= value < 1e5
            return f"{value:g}" if small else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
        return briefly(value, self.step)


def briefly(value: float, step: float) -> str:
    """`0.70`, `12k`, `1.5M`, `2e-5`: a round value in a few characters."""
    if abs(value) < step / 1e6:
        return "0"
    size = max(abs(value), step)
    if size >= 1e4:
        for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if size >= unit:
                digits = max(0, -math.floor(math.log10(step / unit) + 1e-9)) if step < unit else 0
                return f"{value / unit:.{min(digits, 3)}f}{name}"
    if size < 1e-3:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")
    digits = _digits(step)
    return f"{value:.{digits}f}"


def _digits(step: float) -> int:
    for digits in range(7):
        if abs(round(step, digits) - step) < step * 1e-6:
            return digits
    return 7


def axis(
    low: float, high: float, ticks: int, *, log: bool = False, least_step: float = 0.0, clock: bool = False
) -> Axis:
    """The axis with round ends around `low` to `high` (finite), with about `ticks` ticks.

    A logarithmic one covers whole powers of ten; `low` must be positive then. Steps are no smaller than `least_step`;
    those of a `clock`, whose values are seconds, are round as times are.
    """
    if log:
        first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
        last = max(last, first + 1)
        return Axis(10.0**first, 10.0**last, 1.0, log=True)
    if high - low < LEAST_SPAN:
        half = abs(low) / 2 if abs(low) > LEAST_SPAN else 0.5
        low, high = low - half, high + half
    rough = (high - low) / max(1, ticks)
    step = max(least_step, _clock_step(rough) if clock else _round_step(rough))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Axis(first * step, max(last, first + 1) * step, step)


def held(
    before: Axis | None,
    low: float,
    high: float,
    ticks: int,
    *,
    log: bool = False,
    least_step: float = 0.0,
    clock: bool = False,
) -> Axis:
    """The axis as it was, as long as the values are within it and fill enough of it; else a new one."""
    if before is not None and before.log == log and before.low <= low and high <= before.high:
        new = axis(low, high, ticks, log=log, least_step=least_step, clock=clock)
        if log or (new.high - new.low) >= FULL_ENOUGH * (before.high - before.low):
            return before
    return axis(low, high, ticks, log=log, least_step=least_step, clock=clock)


def _round_step(rough: float) -> float:
    if rough <= 0 or not math.isfinite(rough):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((step * power for step in STEPS if step * power >= rough * (1 - 1e-9)), 10 * power)


def _clock_step(rough_s: float) -> float:
    if rough_s <= CLOCK_STEPS[0]:
        return _round_step(rough_s)
    known = next((step for step in CLOCK_STEPS if step >= rough_s * (1 - 1e-9)), None)
    return known if known is not None else _round_step(rough_s / DAY_S) * DAY_S
