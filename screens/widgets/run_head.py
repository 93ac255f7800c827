"""What a run is doing, in a few lines: status, stages, and the reason where it did not end well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import bar, glyph, role_of
from screens.ink import Line, Span, cut, folded, joined, span, spread, width_of, wrapped
from screens.outlook import prospect
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.runs import RunDetails
    from storage.tables import Stage

STAGES = ("validate", "prepare", "train", "evaluate", "package", "gate")
REASON_LINES = 3


class RunHead(Painted):
    """The lines of one run; nothing until it is given one."""

    def __init__(self, *, id: str | None = None, brief: bool = False) -> None:
        super().__init__(id=id)
        self._details: RunDetails | None = None
        self._alone = False
        self._brief = brief
        self._reason = True
        self._outlook: Outlook | None = None
        self._foreseen_at = 0.0

    def show(
        self,
        details: RunDetails | None,
        *,
        left_alone: bool = False,
        reason: bool = True,
        outlook: Outlook | None = None,
    ) -> None:
        """Draw this run; `left_alone` when it is said to be running and its supervisor is gone."""
        self._details, self._alone, self._reason = details, left_alone, reason
        self._outlook, self._foreseen_at = outlook, time.time()
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        if self._details is None:
            return [[]]
        now = time.time()
        alone, brief, reason = self._alone, self._brief, self._reason
        lines = head_lines(self._details, width, now, left_alone=alone, brief=brief, reason=reason)
        if self._outlook is not None:
            lines[1:1] = folded(prospect(self._outlook, now - self._foreseen_at), width)
        return lines


def head_lines(
    details: RunDetails,
    width: int,
    now: float,
    *,
    left_alone: bool = False,
    brief: bool = False,
    reason: bool = True,
) -> list[Line]:
    """Status, stages, reason. `brief` leaves out who and where."""
    run = details.row.run
    status = "left alone" if left_alone else run.status
    left: list[Line] = [[glyph(status), Span(f" {status}", f"{role_of(status)} bold")]]
    if run.status == "running" and run.progress is not None:
        left.append([*bar(run.progress, 16 if width > 90 else 8), Span(f" {run.progress * 100:.0f} %")])
        remaining = time_left(details, now)
        if remaining is not None:
            left.append([Span(f"{figures.about(remaining)} left")])
    if run.started_at is not None:
        left.append([Span(figures.duration((run.ended_at or now) - run.started_at), "dim")])
    if run.progress_text and run.status == "running":
        left.append([span(run.progress_text, "dim")])
    right: list[Line] = [[span(", ".join(run.devices), "dim")]] if run.devices else []
    right += [] if brief else [[span(f"{run.user}@{run.host}", "dim")]]
    right += [[Span(figures.ago(run.started_at or run.created_at, now), "dim")]]
    lines: list[Line] = [spread(joined(left, "   "), joined(right, "   "), width)]
    stages = stage_line(details.stages, now)
    if stages:
        lines.append(
            cut(stages, width) if width_of(stages) <= width else cut(stage_line(details.stages, now, short=True), width)
        )
    if reason and run.reason and run.status in ("failed", "invalid", "refused", "stopped"):
        told = wrapped(" ".join(run.reason.split()), width, "failed" if run.status != "stopped" else "dim")
        lines += told[:REASON_LINES]
    return lines


def time_left(details: RunDetails, now: float) -> float | None:
    """Seconds, by how far it is and how long that took."""
    run = details.row.run
    training = next((stage for stage in details.stages if stage.name == "train"), None)
    began = training.started_at if training is not None and training.started_at else run.started_at
    if not run.progress or began is None:
        return None
    return (now - began) * (1 - run.progress) / run.progress


def stage_line(stages: Sequence[Stage], now: float, *, short: bool = False) -> list[Span]:
    """`validate ✓ cached   train ● 2 min   gate ◌`; `short` leaves out how long."""
    there = {stage.name: stage for stage in stages}
    if not there:
        return []
    parts: list[Line] = []
    for name in STAGES:
        stage = there.get(name)
        if stage is None:
            parts.append([Span(f"{name} ", "faint"), Span("◌", "faint")])
            continue
        sign = glyph(stage.status)
        told = [Span(f"{name} ", "" if stage.status == "running" else "dim"), sign]
        if not short:
            told.append(Span(f" {_took(stage, now)}", "dim"))
        parts.append(told)
    return joined(parts, "   " if not short else "  ")


def _took(stage: Stage, now: float) -> str:
    if stage.status == "cached" or stage.cached_from:
        return "cached"
    if stage.started_at is None:
        return ""
    seconds = (stage.ended_at or now) - stage.started_at
    return figures.duration(seconds if stage.ended_at else round(seconds))
