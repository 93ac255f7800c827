"""When a waiting run will start, and why not yet: in few words for a line, in more for a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from screens import figures
from screens.ink import Span, line, span

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from storage.shed import Shed
    from storage.tables import Run

AT_ONCE_S = 2.0


def outlooks(shed: Shed, runs: Iterable[Run]) -> dict[int, Outlook]:
    """What is to be expected of those of these runs that wait. Runs in a thread."""
    waiting = {run.id for run in runs if run.status == "queued"}
    if not waiting:
        return {}
    from runners.actions.forecasts import forecasts
    from storage.errors import UsageError

    try:
        found = forecasts(shed)
    except UsageError:
        return {}  # settings.toml is faulty: Machine tells it, and the runs are shown all the same
    return {run_id: outlook for run_id, outlook in found.items() if run_id in waiting}


def begins(outlook: Outlook | None, passed: float = 0.0) -> str:
    """`now`, `~4 min`; nothing where the past tells nothing. `passed` are the seconds since it was foreseen."""
    if outlook is None or outlook.starts_in is None:
        return ""
    if outlook.starts_in.high - passed < AT_ONCE_S:
        return "now"
    return figures.about(max(outlook.starts_in.likely - passed, 0))


def prospect(outlook: Outlook, passed: float = 0.0) -> list[Span]:
    """`starts in ~4 min (2 min to 11 min)`, and what holds it; or that nothing is known of it."""
    told = begins(outlook, passed)
    parts: list[Span] = []
    if told == "now":
        parts = line("starts now")
    elif told and outlook.starts_in is not None:
        low, high = (figures.about(max(at - passed, 0)) for at in (outlook.starts_in.low, outlook.starts_in.high))
        parts = line(
            f"starts in {told}", Span(f" ({low.lstrip('~')} to {high.lstrip('~')})" if low != high else "", "dim")
        )
    if outlook.held:
        parts = [*parts, Span("   " if parts else "", ""), span(outlook.held, "dim")]
    return parts or [Span("waits for its turn; when it starts cannot be foreseen yet", "dim")]
