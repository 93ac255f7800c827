"""A second version beside an endpoint's own, in a few lines: how far it is, what both did, and the verdict so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import bar
from screens.ink import Line, Span, cut, joined, line, padded, span, wrapped

if TYPE_CHECKING:
    from runners.actions.canaries import Side, Standing

NAMES = {"canary": "canary", "ab": "A/B split", "shadow": "shadow"}
VERDICTS = {
    "going": ("●", "running"),
    "promoted": ("✓", "done"),
    "aborted": ("✗", "failed"),
    "ended": ("‖", "waiting"),
}
BAR = 24
LATELY_S = 24 * 3600.0  # what ended longer ago is no news


def is_news(standing: Standing | None, now: float) -> bool:
    """Whether it goes on, or ended lately."""
    return standing is not None and (standing.ended_at is None or now - standing.ended_at < LATELY_S)


def rollout_told(standing: Standing, width: int, now: float | None = None) -> list[Line]:
    """What goes on or came of it; both sides under each other."""
    now = time.time() if now is None else now
    sign, role = VERDICTS.get(standing.verdict, ("·", "dim"))
    name = NAMES.get(standing.kind, standing.kind)
    head: list[Line] = [[Span(f"{sign} {name}", f"{role} bold"), Span(f" v{standing.version}", "bold")]]
    if standing.verdict == "going":
        head.append([*bar(standing.percent / 100, BAR), Span(f" {standing.percent:g} %", "bold"), *_by(standing)])
        left = standing.until - now if standing.until is not None else None
        if left is not None:
            head.append([Span(f"judged in {figures.about(left)}" if left > 0 else "is being judged", "dim")])
    elif standing.ended_at is not None:
        head.append([Span(f"{standing.verdict} {figures.ago(standing.ended_at, now)}", role)])
    lines: list[Line] = [cut(joined(head), width)]
    if standing.reason:
        lines += wrapped(standing.reason, width, "dim" if standing.verdict != "aborted" else "failed")[:2]
    lines += [_side(standing.production, "its own"), _side(standing.second, name)]
    if standing.shift is not None:
        far = standing.shift > standing.max_shift
        told = f"predictions {standing.shift:.2f} apart, at most {standing.max_shift:g}"
        lines.append([Span(told, "attention" if far else "dim")])
    return [cut(each, width) for each in lines]


def _by(standing: Standing) -> list[Span]:
    if standing.header is not None:
        return [span(f" by header {standing.header}", "dim")]
    return [span(f" by {standing.key}", "dim")] if standing.key is not None else []


def _side(side: Side, name: str) -> Line:
    errors = Span(f"{side.errors:,} errors", "failed" if side.errors else "dim")
    latency = [f"p50 {side.p50_ms:.3g} ms"] if side.p50_ms is not None else []
    latency += [f"p99 {side.p99_ms:.3g} ms"] if side.p99_ms is not None else []
    return line(
        *padded([Span(f"v{side.version}", "bold"), Span(f" {name}", "dim")], 14),
        Span(f"{side.requests:>9,} requests  "),
        errors,
        Span("  " + "  ".join(latency), "dim"),
    )
