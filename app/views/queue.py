"""What the queue says: where a run stands, when it will start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.output import Output
from app.views.facts import spread_facts
from screens import figures

if TYPE_CHECKING:
    from runners.actions.queueing import Launched
    from runners.estimates import Spread


def announce(out: Output, launched: Launched) -> None:
    """Say that a run waits now, when it will probably start, and what else there is to know."""
    run = launched.run
    for remark in launched.remarks:
        out.emit(str(remark["event"]), text=remark["text"])
        if remark["event"] == "warning":
            out.warn(str(remark["text"]))
        else:
            out.note(str(remark["text"]))
    out.emit("queued", run=run.id, name=run.name, project=run.project, starts_in=spread_facts(launched.starts_in))
    out.finish(run=run.id, status="queued", starts_in=spread_facts(launched.starts_in))
    out.say(f"run {run.id}  {run.name}  queued, {starts(launched.starts_in)}", "green")
    out.say(f"  trainshed runs follow {run.id}")


def starts(spread: Spread | None) -> str:
    """`starts now`, `starts in about 4 min (2 min to 11 min)`, `nobody can tell yet when it starts`."""
    if spread is None:
        return "nobody can tell yet when it starts"
    if spread.high < 2:
        return "starts now"
    low, likely, high = (figures.duration(seconds) for seconds in (spread.low, spread.likely, spread.high))
    return f"starts in about {likely}" + (f" ({low} to {high})" if low != high else "")
