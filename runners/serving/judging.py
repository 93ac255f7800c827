"""Whether a canary is taken or given up: pure statistics over what both versions did.

A good canary is given up by chance in at most 5 % of cases, however often it is looked at, and whatever the
distributions are, as long as requests are independent of each other and reach either version by chance:

- It is promoted at one moment only, fixed beforehand: its time is over and both sides have enough requests. That
  moment does not depend on what was measured, so intervals of a fixed sample hold there; they get 4 %.
- Before, it may only be given up, and is looked at when its requests have doubled: at 16, 32, 64, …. The k-th look
  gets 1 % · 6/(π²k²), and all looks together 1 %. Spending an error rate over looks: Lan and DeMets 1983, "Discrete
  sequential boundaries for clinical trials", Biometrika 70; why plain p-values must not be watched: Johari et al. 2017,
  "Peeking at A/B tests", KDD.
- Each look compares errors, latency and predictions, and shares its part evenly among them (Bonferroni).

It is given up where its interval lies wholly beyond the rule; that it is only as good as the rule demands need not be
shown. Errors are compared by exact binomial intervals (Clopper and Pearson 1934), latencies by order-statistic
intervals of the median and the 99th percentile (David and Nagaraja, Order Statistics, 2003, § 7.1), predictions by
the distance of the distribution functions less the error bound of either (Massart 1990, Annals of Probability 18).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from runners.serving.samples import Floats, Side
from storage.rollout_section import CanarySection

EARLY, FINAL = 0.01, 0.04
FIRST_LOOK = 16
NOTICEABLE_MS = 1.0  # slower by less than this is no harm, however many times it is
QUANTILES = {0.5: "p50", 0.99: "p99"}


@dataclass(frozen=True)
class Verdict:
    """`looks` counts the looks before the end that are over now."""

    decision: Literal["going", "promote", "abort"]
    reason: str
    looks: int


def judge(rules: CanarySection, production: Side, canary: Side, elapsed_s: float, looks: int) -> Verdict:
    """Look at a canary that has been asked for `elapsed_s`, after `looks` earlier looks."""
    fewest = min(production.requests, canary.requests)
    if elapsed_s >= rules.minutes * 60 and fewest >= rules.min_requests:
        found = harm(rules, production, canary, FINAL)
        if found:
            return Verdict("abort", found, looks)
        return Verdict("promote", told(production, canary), looks)
    due = _looks_due(canary.requests)
    if due > looks:
        found = harm(rules, production, canary, EARLY * 6 / (math.pi * due) ** 2)
        return Verdict("abort" if found else "going", found, due)
    return Verdict("going", waits_for(rules, production, canary, elapsed_s), looks)


def harm(rules: CanarySection, production: Side, canary: Side, chance: float) -> str:
    """What the canary does worse than its rules allow, beyond `chance`; empty where nothing is certain."""
    return (
        _errs(rules.max_errors, production, canary, chance / 3)
        or _is_slower(rules.max_slower, production.ms, canary.ms, chance / 3)
        or ("" if rules.header else _shifts(rules.max_shift, production.values, canary.values, chance / 3))
    )


def distance(one: Floats, other: Floats) -> float | None:
    """How far two distribution functions are apart at most, 0 to 1; None where one of them is unknown."""
    if not len(one) or not len(other):
        return None
    places = np.concatenate([one, other])
    below = [np.searchsorted(np.sort(each), places, "right") / len(each) for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def told(production: Side, canary: Side) -> str:
    """Both sides in a line."""
    parts = [
        f"{canary.requests:,} requests beside {production.requests:,}",
        f"{canary.errors} failed ({production.errors})",
    ]
    for share, name in QUANTILES.items():
        ours, theirs = canary.latency(share), production.latency(share)
        if ours is not None and theirs is not None:
            parts.append(f"{name} {ours:.3g} ms ({theirs:.3g})")
    apart = distance(production.values, canary.values)
    return ", ".join([*parts, f"predictions {apart:.2f} apart"] if apart is not None else parts)


def waits_for(rules: CanarySection, production: Side, canary: Side, elapsed_s: float) -> str:
    """Why a canary has not been judged yet, in words; empty where it will be at the next look."""
    few, side = min((canary.requests, "canary"), (production.requests, "production"))
    if elapsed_s < rules.minutes * 60 or few >= rules.min_requests:
        return ""
    return f"its time is over, but {side} had only {few:,} requests of {rules.min_requests:,}"


def _looks_due(requests: int) -> int:
    return max(0, (requests // FIRST_LOOK).bit_length())


def _errs(most: float, production: Side, canary: Side, chance: float) -> str:
    least, highest = (
        _least(canary.errors, canary.requests, chance / 2),
        _most(production.errors, production.requests, chance / 2),
    )
    if least - highest <= most:
        return ""
    theirs = f"{production.errors} of {production.requests:,} in production"
    found = f"{canary.errors} of {canary.requests:,} requests failed, {theirs}"
    return f"{found}: at least {least - highest:.1%} more, {most:.1%} allowed" if most else found


def _is_slower(most: float, production: Floats, canary: Floats, chance: float) -> str:
    for share, name in QUANTILES.items():
        least = _below_quantile(canary, share, chance / 4)
        highest = -_below_quantile(-production, 1 - share, chance / 4)
        if least > most * highest and least > highest + NOTICEABLE_MS:
            ours, theirs = np.quantile(canary, share), np.quantile(production, share)
            times = f"at least {least / highest:.1f} times, {most:g} allowed"
            return f"{name} is {ours:.3g} ms, production's {theirs:.3g} ms: {times}"
    return ""


def _shifts(most: float, production: Floats, canary: Floats, chance: float) -> str:
    apart = distance(production, canary)
    if apart is None:
        return ""
    error = sum(math.sqrt(math.log(4 / chance) / (2 * len(side))) for side in (production, canary))
    if apart - error <= most:
        return ""
    means = f"mean {canary.mean():.3g}, production's {production.mean():.3g}"
    return f"its predictions are distributed otherwise ({means}): {apart:.2f} apart, {most:g} allowed"


def _least(count: int, of: int, chance: float) -> float:
    """The lower end of the share that a count comes from."""
    from scipy.special import betaincinv

    return float(betaincinv(count, of - count + 1, chance)) if count else 0.0


def _most(count: int, of: int, chance: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(count + 1, of - count, 1 - chance)) if count < of else 1.0


def _below_quantile(values: Floats, share: float, chance: float) -> float:
    """A value that is above the quantile of its distribution by `chance` at most; minus infinity where none is."""
    from scipy.special import bdtr

    if not len(values):
        return -math.inf
    ranks = np.searchsorted(bdtr(np.arange(len(values)), len(values), share), chance, "right")
    return float(np.sort(values)[ranks - 1]) if ranks else -math.inf
