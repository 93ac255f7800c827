"""Labelling on a terminal, and how it stands."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from app.output import Output, Table
from runners.actions import labelling as verbs
from runners.actions.labelling import Batch, Candidate, Queue, State
from screens import figures
from screens.labels import agreed, gained, said
from storage.errors import UsageError
from storage.shed import Shed

SKIP, UNDO, QUIT = "s", "u", "q"
SHOWN = 40  # characters of a value
NOTHING = "nothing to label: no prediction without a truth is left that you have not labelled"


def ask(out: Output, shed: Shed, queue: Queue) -> int:
    """Ask about each candidate, a key a label; returns how many were labelled."""
    if not queue.candidates:
        out.note(NOTHING)
        return 0
    if out.json_lines or not sys.stdin.isatty():
        raise UsageError("this asks on a terminal", todo="`trainshed label queue` and `label answer` do without")
    given, place = 0, 0
    while place < len(queue.candidates):
        candidate = queue.candidates[place]
        _show(out, queue, candidate, place)
        key = _pressed(out, queue)
        if key == QUIT:
            break
        if key == UNDO:
            place = max(0, place - 1)
            given -= verbs.take_back(shed, queue, queue.candidates[place])
            continue
        label = queue.keys.get(key) if queue.keys else key
        if key != SKIP and label:
            verbs.answer(shed, queue, candidate, label)
            given += 1
            out.say(f"  {label}", "green")
        elif key != SKIP:
            continue
        place += 1
    out.say(f"{given} labelled; `trainshed label save` makes a dataset version of them")
    return given


def show_queue(out: Output, queue: Queue) -> None:
    """What would be asked, and why."""
    for candidate in queue.candidates:
        out.emit("candidate", asdict(candidate))
    out.finish(
        endpoint=queue.endpoint, target=queue.target, classes=list(queue.classes), candidates=len(queue.candidates)
    )
    if queue.candidates:
        table = Table(["request", "row", "said", "why"], align="lrll")
        table.rows = [[c.id, str(c.row), said(c), c.why] for c in queue.candidates]
        out.table(table)
    elif not out.json_lines:
        out.note(NOTHING)


def show_batch(out: Output, batch: Batch) -> None:
    """What was saved, and whether the project learns from it."""
    out.finish(
        dataset=f"{batch.dataset} v{batch.version}", learnt=batch.learnt, held_out=batch.held_out,
        disputed=batch.disputed, path=batch.path, read=batch.read,
    )  # fmt: skip
    out.say(
        f"{batch.dataset} v{batch.version}: {batch.learnt} rows to learn from, {batch.held_out} held out to measure on",
        "green",
    )
    if batch.disputed:
        out.note(f"{batch.disputed} rows on which people disagree wait for one more opinion")
    if not batch.read:
        out.note("the project does not read them yet: docs/labelling.md shows how [dataset] takes labels/*.parquet in")


def show_state(out: Output, state: State) -> None:
    """Who labelled how much, how far they agree, and what it was worth."""
    out.finish(**asdict(state))
    people = ", ".join(f"{person} {figures.number(count)}" for person, count in state.by.items())
    out.fields(
        [
            ("labels", people or "none yet; `trainshed label start`"),
            ("not saved", state.unsaved or None),
            ("batches", state.batches or None),
            *(("agreement", agreed(each)) for each in state.agreement),
            ("last batch", gained(state.gain) if state.gain else None),
        ]
    )


def _show(out: Output, queue: Queue, candidate: Candidate, place: int) -> None:
    out.say(f"\n{place + 1} of {len(queue.candidates)} · {candidate.why}", "bold")
    out.fields([(name, _short(value)) for name, value in candidate.values.items()])
    out.say(f"the model said {said(candidate)}", "dim")
    keys = [f"[{key}] {name}" for key, name in queue.keys.items()] or ["a number"]
    out.say(f"{queue.target}?  {'  '.join(keys)}  [{SKIP}] skip  [{UNDO}] back  [{QUIT}] quit")


def _short(value: Any) -> str:
    text = "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _pressed(out: Output, queue: Queue) -> str:
    """One key; a line where a number is asked for. The end of the input quits."""
    if not queue.keys:
        return sys.stdin.readline().strip() or QUIT
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        return sys.stdin.read(1).lower() or QUIT
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
