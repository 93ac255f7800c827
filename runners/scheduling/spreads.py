"""Times that are not known exactly: drawn from, cut off at what has passed, joined from two sources.

A `Spread` is read as a log-normal in two halves: its logarithm is normal, with one width below the median and another
above.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from runners.scheduling.terms import Spread

NORMAL = NormalDist()
DECILE = NORMAL.inv_cdf(0.9)
NARROWEST = 0.02  # of the logarithm: nothing is known better than to two percent
FAR_OUT = 4.0  # widths above the median from which the normal's tail is taken by its limit


def at_width(spread: Spread, z: float) -> float:
    """The time that lies `z` widths from the median: -1 for the 16th percentile, 0 for the 50th."""
    return spread.likely * math.exp(z * (width_above(spread) if z > 0 else width_below(spread)))


def width_below(spread: Spread) -> float:
    return _width(spread.low, spread.likely)


def width_above(spread: Spread) -> float:
    return _width(spread.likely, spread.high)


def _width(smaller: float, larger: float) -> float:
    return max(NARROWEST, math.log(max(larger, 1e-3) / max(smaller, 1e-3)) / DECILE)


def around(likely: float, below: float, above: float) -> Spread:
    """The spread with this median and these widths of its logarithm."""
    return Spread(likely * math.exp(-DECILE * below), likely, likely * math.exp(DECILE * above))


def rest(spread: Spread, elapsed_s: float) -> Spread:
    """What is left of a time with this spread, given that `elapsed_s` have passed and it is not over."""
    if elapsed_s <= 0:
        return spread
    away = math.log(elapsed_s) - math.log(max(spread.likely, 1e-3))
    z = away / (width_above(spread) if away > 0 else width_below(spread))
    if z < FAR_OUT:
        passed = NORMAL.cdf(z)
        low, likely, high = (
            at_width(spread, NORMAL.inv_cdf(passed + part * (1 - passed))) - elapsed_s for part in (0.1, 0.5, 0.9)
        )
    else:  # the excess over z tends to an exponential of rate z
        low, likely, high = (
            elapsed_s * math.expm1(-math.log(1 - part) / z * width_above(spread)) for part in (0.1, 0.5, 0.9)
        )
    return Spread(max(low, 0.0), max(likely, 0.0), max(high, 0.0))


def joined(one: Spread, other: Spread) -> Spread:
    """Two independent estimates of one time as one: each counts by how narrow it is."""
    trust = [1 / ((width_below(s) + width_above(s)) / 2) ** 2 for s in (one, other)]
    share = trust[0] / sum(trust)

    def mixed(a: float, b: float) -> float:
        return math.exp(share * math.log(max(a, 1e-3)) + (1 - share) * math.log(max(b, 1e-3)))

    narrower = 1 / math.sqrt(sum(trust) / max(trust))
    below = mixed(width_below(one), width_below(other)) * narrower
    above = mixed(width_above(one), width_above(other)) * narrower
    return around(mixed(one.likely, other.likely), below, above)
