"""`trainshed runs reproduce`: the run as it goes on, then what came of it."""

from __future__ import annotations

from typing import Any

from app.batch import STAGES, Told
from app.output import Styled, Table
from app.scope import Scope
from app.views.progress import view_for
from runners.actions.reproducing import Reproduced
from runners.actions.reproducing import reproduce as again

SHOWN = 12  # ingredients, on a screen


def reproduce(scope: Scope, run_id: int, tolerance: float) -> int:
    """Do the run again and tell what agrees. Returns the exit code. Raises TrainshedError when it cannot be done."""
    out = scope.out
    shed = scope.shed()
    told = Told(out)
    with view_for(out, STAGES[:-1], f"reproducing run {run_id}") as view:

        def on_event(event: dict[str, Any]) -> None:
            told.take(event, view)

        found = again(shed, run_id, tolerance=tolerance, on_event=on_event)
    if found.finished.status != "done":
        told.conclude(found.finished)
        _tell_ingredients(scope, found)
        return found.finished.exit_code
    _tell(scope, found)
    return 0 if found.agrees else 1


def _tell(scope: Scope, found: Reproduced) -> None:
    out = scope.out
    for pair in found.pairs:
        out.emit("metric", pair.__dict__)
    for parted in found.parted:
        out.emit("parted", parted.__dict__)
    out.finish(
        status="agrees" if found.agrees else "differs",
        run=found.finished.run,
        reproduces=found.first,
        agrees=found.agrees,
        tolerance=found.tolerance,
        same_model=found.same_model,
        ingredients=[each.__dict__ for each in found.ingredients],
    )
    out.say()
    rows = [
        [
            pair.name,
            pair.first,
            pair.again,
            "same" if pair.difference == 0 else "" if pair.difference is None else f"{pair.difference:.1e}",
            Styled("agrees", "green") if pair.agrees else Styled("differs", "red"),
        ]
        for pair in found.pairs
    ]
    head = ["metric", f"run {found.first}", f"run {found.finished.run}", "off by", ""]
    out.report(Table(head, rows, align="lrrrl"))
    out.say()
    if found.same_model is not None:
        out.say("the packaged model is " + ("the same, byte for byte" if found.same_model else "not the same bytes"))
    for parted in found.parted[:3]:
        out.say(f"parts first in {parted}")
    _tell_ingredients(scope, found)
    if found.agrees:
        agreed = f"{len(found.pairs)} metrics agree up to {found.tolerance:g}"
        out.say(f"run {found.finished.run} reproduces run {found.first}: {agreed}", "green")
    else:
        out.say(f"run {found.finished.run} does not reproduce run {found.first}", "yellow")


def _tell_ingredients(scope: Scope, found: Reproduced) -> None:
    out = scope.out
    if not found.ingredients:
        out.say("code, data, params, seed, interpreter, packages and machine were the same")
        if not found.agrees and found.finished.status == "done":
            out.say("so there is chance in the training that the seed does not govern: `trainshed test` looks for it")
        return
    out.say("code, data, params and seed were the same; not the same were")
    for each in found.ingredients[:SHOWN]:
        out.say(f"  {each}")
    if len(found.ingredients) > SHOWN:
        out.note(f"  and {len(found.ingredients) - SHOWN} more; --json has all")
