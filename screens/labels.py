"""Labels in words: what the model had said, how far people agree, what a batch was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import figures

if TYPE_CHECKING:
    from runners.actions.labelling import Agreement, Candidate, Gain


def said(candidate: Candidate) -> str:
    """What the model said of it."""
    share = candidate.share
    if isinstance(candidate.prediction, float):
        return f"{share:.0%}" if share is not None else figures.number(candidate.prediction)
    return f"{candidate.prediction} {share:.0%}" if share is not None else str(candidate.prediction)


def agreed(each: Agreement) -> str:
    kappa = "no kappa: one label alone" if each.kappa is None else f"Cohen's kappa {each.kappa:.2f} ± {each.error:.2f}"
    return f"{each.one} and {each.other}: {each.agreed} of {each.rows} rows alike, {kappa}"


def gained(gain: Gain) -> str:
    """A batch's worth in a line: never more than what was measured."""
    of = f"batch {gain.batch}, {gain.metric} on {gain.rows} held-out labels (hard rows, not ordinary traffic)"
    if gain.before is None:
        return f"batch {gain.batch}: {gain.why}"
    before = f"v{gain.before_version} {figures.number(gain.before)}"
    if gain.after is None or gain.difference is None:
        return f"{of}: {before}; {gain.why}"
    d = gain.difference
    return (
        f"{of}: {before} → v{gain.after_version} {figures.number(gain.after)}, "
        f"{d.value:+.3g} better (95 %: {d.low:+.3g} to {d.high:+.3g})"
    )
