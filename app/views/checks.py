"""How a project did in its test."""

from __future__ import annotations

from collections import Counter

from app.output import Output
from runners.actions.testing import Tried
from screens import figures

WORDS = ("passed", "failed", "not asked")


def show_checks(out: Output, tested: Tried, seconds: float) -> None:
    """What failed, in full, and the count of all; the lines of each check were told as they came."""
    for check in tested.checks:
        out.emit("check", check.__dict__)
    counts: Counter[str] = Counter(check.status for check in tested.checks)
    out.finish(
        status="done" if tested.passed else "failed",
        project=tested.project,
        seconds=round(seconds, 3),
        warnings=tested.warnings,
        shed=tested.kept,
        **{word.replace(" ", "_"): counts[word] for word in WORDS},
    )
    for warning in tested.warnings:
        out.warn(warning)
    for check in tested.checks:
        if check.status == "failed":
            out.say(f"\n{check.name} failed", "red bold")
            out.say(check.details)
    if tested.kept is not None:
        out.say(f"\nits shed is kept: trainshed --shed {tested.kept} runs list")
    told = [f"{counts[word]} {word}" for word in WORDS if counts[word]]
    out.say(f"\n{tested.project}: {', '.join(told)}, in {figures.duration(seconds)}", "" if tested.passed else "yellow")
