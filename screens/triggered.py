"""Triggers, what they noticed, and alerts as lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from screens import figures
from screens.cells import short
from screens.glyphs import glyph
from screens.ink import Line, Span, folded, line, span, wrapped
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from runners.actions.watches import Watch
    from storage.read.triggers import FiringRow
    from storage.tables import Alert

TRIGGERS = [
    Column("", width=1),
    Column("trigger", least=8, most=24),
    Column("on", rank=2, role="dim"),
    Column("watches", least=26, most=70, grow=True, rank=5),
    Column("does", rank=3, role="dim"),
    Column("next", "r", rank=7),
    Column("last", "r", rank=6, role="dim"),
    Column("runs", "r", rank=1, role="dim"),
]
FIRINGS = [
    Column("", width=1),
    Column("", "r", rank=6, role="dim"),
    Column("", most=18, rank=5),
    Column("", rank=3, role="dim"),
    Column("", grow=True, least=24, wants=26, most=120, rank=9),
    Column("", least=8, wants=26, most=60, rank=8, grow=True),
]
ALERTS = [
    Column("", width=1),
    Column("", "r", rank=5, role="dim"),
    Column("", grow=True, least=12, wants=32, most=140),
    Column("", "r", rank=4),
    Column("", "r", grow=True, least=12, rank=6, most=50),
]
SEVERITIES = {"info": ("·", "dim"), "warning": ("!", "attention"), "critical": ("✗", "failed")}
MOST_FACTS = 400
NAME = 10  # cells of the name of a fact
DECIDED = {"retrain": "running", "wait": "attention", "stop": "failed", "notify": "accent"}


def trigger_row(watch: Watch, now: float) -> Row:
    """What it watches, when it is due, when it fired last."""
    trigger, last = watch.row.trigger, watch.row.last
    paused = trigger.status == "paused"
    sign = (
        glyph("stopped") if paused else Span("!", "attention") if trigger.left_out or watch.fault else Span("●", "done")
    )
    what = [span(trigger.reason, "attention")] if paused else _what(watch)
    due: Line = [Span("paused", "attention")] if paused else [Span("" if watch.fault else "by itself", "faint")]
    if watch.due is not None:
        due = [Span(_until(watch.due, now), "bold")]
    cells: tuple[Line, ...] = (
        [sign],
        [span(trigger.name, "bold")],
        [span(trigger.kind)],
        what,
        [span(trigger.spec.get("do", "retrain"))],
        due,
        [Span(figures.ago(last.firing.at, now) if last is not None else "never")],
        [Span(str(watch.row.runs))],
    )
    return Row(trigger.id, cells)


def _what(watch: Watch) -> Line:
    trigger = watch.row.trigger
    if watch.fault:
        return [span(watch.fault, "attention")]
    if trigger.left_out:
        path, entry = next(iter(trigger.left_out.items()))
        more = f", and {len(trigger.left_out) - 1} more files" if len(trigger.left_out) > 1 else ""
        return [span(f"leaves out {path}: {entry.get('why', '')}{more}", "attention")]
    return [span(watch.what), *([Span("  "), span(trigger.note, "dim")] if trigger.note else [])]


def _until(at: float, now: float) -> str:
    left = at - now
    if left < 86_400:
        return f"{time.strftime('%H:%M', time.localtime(at))}, in {figures.about(max(0.0, left)).lstrip('~')}"
    return time.strftime("%a %d %b %H:%M", time.localtime(at))


def firing_row(row: FiringRow, now: float) -> Row:
    """One line: when, which, what it decided, why, and how that ended."""
    firing = row.firing
    waits = firing.status == "waiting"
    sign = glyph("waiting") if waits else _ended(row)
    cells: tuple[Line, ...] = (
        [sign],
        [Span(figures.ago(firing.at, now))],
        [span(row.trigger.name)],
        [span(firing.decision, DECIDED.get(firing.decision, "dim"))],
        [span(firing.why)],
        [Span("waits for you: a approves", "attention")] if waits else [span(outcome(row), "dim")],
    )
    return Row(firing.id, cells)


def outcome(row: FiringRow) -> str:
    """What came of it, in words."""
    firing = row.firing
    return firing.outcome or (f"run {firing.run_id} {row.run_status or 'is gone'}" if firing.run_id else "")


def _ended(row: FiringRow) -> Span:
    if row.run_status:
        return glyph(row.run_status)
    if row.firing.decision == "stop":
        return glyph("failed")
    return Span("·", "dim") if row.firing.status == "done" else glyph("running")


def alert_row(alert: Alert, now: float) -> Row:
    """What it says, how often, and whether it reached anybody."""
    seen = alert.acknowledged_at is not None
    sign, role = SEVERITIES.get(alert.severity, ("·", "dim"))
    cells: tuple[Line, ...] = (
        [Span("✓", "faint") if seen else Span(sign, role)],
        [Span(figures.ago(alert.last_at, now))],
        [span(alert.title, "dim" if seen else "")],
        [Span(f"{alert.count}×" if alert.count > 1 else "", "dim")],
        delivery(alert),
    )
    return Row(alert.id, cells)


def delivery(alert: Alert) -> Line:
    """Whether it was sent, else why not."""
    if alert.delivery == "sent":
        return [Span("sent", "done")]
    if alert.error:
        again = "given up" if alert.delivery == "failed" else f"tried {alert.tries}×"
        return [Span(f"not sent, {again}: ", "failed"), span(alert.error, "failed")]
    if alert.delivery == "listed":
        return [Span("only listed", "faint")]
    return [Span("waits for quiet hours to end" if alert.next_try_at else "is being sent", "dim")]


def alert_told(alert: Alert, width: int) -> list[Line]:
    """All of an alert."""
    sign, role = SEVERITIES.get(alert.severity, ("·", "dim"))
    told: list[Line] = [line(Span(f"{sign} {alert.severity}", f"{role} bold"), Span("  "), span(alert.subject, "dim"))]
    told += [[], *wrapped(alert.title, width, "bold")]
    if alert.body:
        told += [[], *wrapped(alert.body, width)]
    told += [[], *_fact("first", figures.ago(alert.at), width), *_fact("last", figures.ago(alert.last_at), width)]
    told += _fact("times", f"{alert.count:,}", width) if alert.count > 1 else []
    told += _fact("sent", "".join(part.text for part in delivery(alert)), width)
    if alert.acknowledged_at is not None:
        told += _fact("seen", f"by {alert.acknowledged_by}, {figures.ago(alert.acknowledged_at)}", width)
    return told


def trigger_whole(watch: Watch) -> Line:
    """What stands in its line, however long."""
    return [span(watch.row.trigger.name, "bold"), Span("  "), *_what(watch)]


def firing_whole(row: FiringRow) -> Line:
    """Why it fired, and what came of it."""
    came = outcome(row) or ("waits for you: a approves" if row.firing.status == "waiting" else "")
    return [span(row.firing.why), *([Span("  →  ", "faint"), span(came, "dim")] if came else [])]


def alert_whole(alert: Alert) -> Line:
    """What it says, and whether it reached anybody."""
    return [span(alert.title), Span("  "), *delivery(alert)]


def evidence_told(row: FiringRow, width: int) -> list[Line]:
    """A firing with all that it kept: files, figures, the schedule."""
    firing = row.firing
    at = time.localtime(firing.at)
    told: list[Line] = [
        line(span(firing.decision, f"{DECIDED.get(firing.decision, 'dim')} bold"), "  ", span(row.trigger.name)),
        *wrapped(firing.why, width),
        [],
        *_fact("when", f"{time.strftime('%Y-%m-%d %H:%M:%S', at)}, {figures.ago(firing.at)}", width),
        *_fact("for", firing.by, width),
        *_fact("came to", outcome(row) or ("waits for a person" if firing.status == "waiting" else "nothing"), width),
    ]
    if firing.evidence:
        told += [[], [Span("evidence", "bold")]]
        told += [part for each in _tree(firing.evidence, "") for part in folded(each, width)]
    return told


def _fact(name: str, text: str, width: int) -> list[Line]:
    first, *rest = wrapped(text, max(10, width - NAME))
    return [[Span(f"{name:<{NAME}}", "dim"), *first], *([Span(" " * NAME), *part] for part in rest)]


def _tree(value: Any, indent: str) -> Iterator[Line]:
    """JSON as lines, a name and a value each; a list of records as one line a record."""
    items = value.items() if isinstance(value, dict) else [("", each) for each in value[:MOST_FACTS]]
    wide = max((len(name) for name, _ in items), default=0)
    for name, each in items:
        label = f"{indent}{name:<{wide}}  " if name else indent
        if isinstance(each, dict) and not name:
            yield [Span(indent + "· ", "faint"), *_flat(each)]
        elif isinstance(each, (dict, list)) and each and not all(isinstance(item, (int, float, str)) for item in each):
            yield [span(label, "dim")]
            yield from _tree(each, indent + "  ")
        elif isinstance(each, dict):
            yield [span(label, "dim"), *_flat(each)]
        elif isinstance(each, list):
            yield [span(label, "dim"), span(", ".join(short(item) for item in each))]
        else:
            yield [span(label, "dim"), span(short(each))]


def _flat(record: dict[str, Any]) -> list[Span]:
    parts: list[Span] = []
    for name, value in record.items():
        if value not in ("", None):
            parts += [span(f"{name} ", "dim"), span(short(value)), Span("  ")]
    return parts
