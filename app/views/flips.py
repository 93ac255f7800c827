"""Flips, as people and programs see them: how many, in which slices, and row by row."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.output import Output, Styled, Table
from runners.actions.flips import Flip, Flips
from screens import figures
from screens.cells import short
from screens.profiling import share

MOST_SLICES = 12
MOST_COLUMNS = 4  # raw ones


def show_flips(out: Output, found: Flips, rows: list[Flip], total: int) -> None:
    """`rows` are a page of the `total` flips that were asked for."""
    for each in found.slices:
        out.emit("slice", asdict(each))
    for flip in rows:
        out.emit("flip", asdict(flip))
    facts = {name: getattr(found, name) for name in ("before", "after", "rows", "flips", "better", "worse", "source")}
    out.finish(model=f"{found.model} v{found.after}", **facts)
    if out.json_lines:
        return
    part = share(found.flips, found.rows)
    of = f"{found.flips:,} of {found.rows:,} {found.source}"
    out.say(f"v{found.after} answers {of} otherwise than v{found.before} ({part})", "bold")
    right, wrong = ("nearer", "further off") if found.task == "regression" else ("right now", "wrong now")
    out.say(f"{found.better:,} {right} · {found.worse:,} {wrong}")
    _slices(out, found, right, wrong)
    _rows(out, found, rows, total)


def _slices(out: Output, found: Flips, right: str, wrong: str) -> None:
    weighty = [each for each in found.slices if each.rows >= found.least_rows and each.flips]
    if not weighty:
        return
    lines = [
        [
            f"{each.column} = {each.value}",
            each.rows,
            each.flips,
            share(each.flips, each.rows),
            each.better,
            each.worse,
        ]
        for each in weighty[:MOST_SLICES]
    ]
    out.say()
    out.table(Table(["slice", "rows", "flips", "", right, wrong], lines, align="lrrrrr"), aligned=True)


def _rows(out: Output, found: Flips, rows: list[Flip], total: int) -> None:
    if not rows:
        return
    names = list(rows[0].values)[:MOST_COLUMNS]
    lines = [
        [
            str(flip.row),
            Styled(_answer(flip.before, flip.sure_before), "dim"),
            _answer(flip.after, flip.sure_after),
            _gain(flip),
            *(short(flip.values[name]) for name in names),
        ]
        for flip in rows
    ]
    out.say()
    title = f"{len(rows):,} of {total:,} flips" if total > len(rows) else f"{total:,} flips"
    heads = ["row", f"v{found.before}", f"v{found.after}", "truth", *names]
    out.table(Table(heads, lines, title, align="rlll"), aligned=True)


def _answer(answer: Any, sure: float | None) -> str:
    return figures.number(answer) if sure is None else f"{answer} {sure:.3f}"


def _gain(flip: Flip) -> Styled:
    truth = "" if flip.truth is None else figures.number(flip.truth) if isinstance(flip.truth, float) else flip.truth
    return Styled(truth, {1: "green", -1: "red"}.get(flip.better, ""))
