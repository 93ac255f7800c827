"""An endpoint over the last day: what it was asked, how its inputs drifted, what it said, whether that was right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens import figures
from screens.acting import bindings
from screens.charts.bars import bars, round_top
from screens.glyphs import gauge
from screens.ink import Line, Span, cut, escaped, joined, line, padded, span, wrapped
from screens.view import View
from screens.widgets.lines import Lines
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.monitoring import Monitored
    from storage.shed import Shed

FRESH_S = 20.0  # a look costs about a second
LABEL = 12
NAME = 22
GAUGE = 12
SOME, FAR = 0.1, 0.25  # of PSI: where people begin to look, and to act
MOST_SLICES = 12
WINDOWS = ((3600.0, "hour"), (86_400.0, "day"), (7 * 86_400.0, "week"))


class MonitorPage(View[float, "Monitored"]):
    """A page over Serving; `esc` goes back to it."""

    PLACE = "monitor"
    VIEW = "serving"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("monitor")]

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._window = 1  # its place in WINDOWS
        self._last: tuple[float, float, Monitored] | None = None  # the window, when it was looked at, what was found

    def body(self) -> ComposeResult:
        with Vertical(classes="pane") as box:
            box.border_title = escaped(f"{self._endpoint} · monitor")
            yield Lines(empty="looking …")

    def on_mount(self) -> None:
        self.query_one(Lines).focus()

    def question(self) -> float:
        return WINDOWS[self._window][0]

    def answer(self, shed: Shed, question: float) -> Monitored:
        from runners.actions import monitoring

        last = self._last
        if last is not None and last[0] == question and time.monotonic() - last[1] < FRESH_S:
            return last[2]
        found = monitoring.monitor(shed, self._endpoint, question)
        self._last = (question, time.monotonic(), found)
        return found

    def show(self, answer: Monitored) -> None:
        told = f"the last {WINDOWS[self._window][1]} · {counted(answer.rows, 'prediction')}"
        self.query_one(".pane").border_subtitle = told
        self.query_one(Lines).flow(lambda width: monitored_told(answer, width))

    def tick(self) -> None:
        self.refetch()

    def do_window(self) -> None:
        self._window = (self._window + 1) % len(WINDOWS)
        self.refetch()

    def do_copy(self) -> None:
        self.shell.copy(f"trainshed monitor show {self._endpoint}")


def monitored_told(found: Monitored, width: int) -> list[Line]:
    """All of it, part under part."""
    lines: list[Line] = [*traffic_told(found, width)]
    for title, part in (
        ("input drift, the likely most harmful first", drift_told(found.drift, width)),
        ("predictions now, and when it was evaluated", histogram_told(found.predictions, width)),
        ("performance", performance_told(found.performance or found.estimate, width)),
    ):
        if part:
            lines += [[], [Span(title, "bold")], *part]
    if found.notes:
        lines += [[], *(row for note in found.notes for row in wrapped(f"· {note}", width, "dim"))]
    return lines


def traffic_told(found: Monitored, width: int) -> list[Line]:
    """Requests, latency and errors over the window, a bar a stretch."""
    room = max(8, width - LABEL - 12)
    every = max(1, -(-len(found.traffic) // room))
    groups = [found.traffic[place : place + every] for place in range(0, len(found.traffic), every)]
    requests = [sum(each.requests for each in group) for group in groups]
    failed = [sum(each.errors for each in group) for group in groups]
    refused = [sum(each.refused for each in group) for group in groups]
    p99 = [max((each.p99_ms for each in group if each.p99_ms is not None), default=None) for group in groups]
    slowest = max((each for each in p99 if each is not None), default=None)
    wide = max(1, room // max(1, len(groups)))
    rows: list[Line] = [
        _row("requests", [float(each) for each in requests], f"{sum(requests):,}", "running", wide),
        _row("p99", p99, f"{slowest:.3g} ms" if slowest is not None else "–", "curve6", wide),
        _row("failed", [float(each) for each in failed], f"{sum(failed):,}", "failed", wide),
        _row("refused", [float(each) for each in refused], f"{sum(refused):,}", "attention", wide),
    ]
    return rows


def _row(name: str, values: Sequence[float | None], told: str, role: str, wide: int) -> Line:
    """A bar a value, each so many cells wide."""
    (drawn,) = bars([value for value in values for _ in range(wide)], 1, round_top(values), role)
    return [*padded([Span(name, "dim")], LABEL), drawn, Span("  "), Span(told, "bold")]


def drift_told(drift: Sequence[Any], width: int, most: int = 100) -> list[Line]:
    """A line a column: how far it moved, how much that matters, and in what way."""
    lines: list[Line] = []
    for each in list(drift)[:most]:
        moved = each.drift
        far = "failed" if moved.psi >= FAR else "attention" if moved.psi >= SOME else "done"
        role = "dim" if each.by_chance else far
        parts = [
            *padded([span(each.column, "dim" if each.by_chance else "bold")], NAME),
            *gauge(min(1.0, moved.psi / 0.5), GAUGE, role),
            Span(f" psi {moved.psi:5.2f}", role),
        ]
        if width > 70:
            ks = f"  ks {moved.distance:.2f}" if moved.distance is not None else ""
            weight = f"  matters {each.importance:.2g}" if each.importance is not None else ""
            parts.append(Span(f"  js {moved.js:.2f}{ks}{weight}  ", "dim"))
        said = "no more than chance moves it" if each.by_chance else moved.moved
        lines.append(cut([*parts, Span(" "), span(said, "faint" if each.by_chance else "")], width))
    return lines


def histogram_told(found: Any, width: int) -> list[Line]:
    """Two bars a bin: now, and on the rows that the model was evaluated on."""
    if found is None:
        return []
    label = min(18, max(len(each) for each in found.labels))
    room = max(6, width - label - 10)
    top = max([*found.now, *found.trained, 1e-9])
    lines: list[Line] = [
        cut(joined([[Span("▇ now", "accent")], [Span("▇ then", "faint")], [Span(f"psi {found.drift.psi:.2f}")]]), width)
    ]
    for name, now, then in zip(found.labels, found.now, found.trained, strict=True):
        for share, role, told in ((now, "accent", name), (then, "faint", "")):
            length = round(share / top * room)
            lines.append(
                line(
                    *padded([span(told, "dim")], label, "r"),
                    Span(" " + ("▇" * length or ("▏" if share else "")), role),
                    Span(f" {share * 100:.0f} %" if role == "accent" else "", "dim"),
                )
            )
    return lines


def performance_told(found: Any, width: int) -> list[Line]:
    """The metric on what it was asked, or what its confidence makes of it; over time, and by slice."""
    if found is None:
        return []
    value = figures.number(found.value) if found.value is not None else "undefined"
    head: list[Line] = [[span(found.metric, "dim"), Span(f" {value}", "bold")]]
    if found.low is not None and found.high is not None:
        head.append([Span(f"95 %: {found.low:.3f} … {found.high:.3f}", "dim")])
    if found.reference is not None:
        head.append([Span(f"when evaluated {found.reference:.4f}", "dim")])
    head.append(
        [Span("an estimate from its confidence", "attention") if found.estimated else Span("from the truth", "done")]
    )
    head.append([Span(counted(found.rows, "row"), "dim")])
    lines: list[Line] = [cut(joined(head), width)]
    if len(found.over_time) > 1:
        steps = [step.value for step in found.over_time]
        low = min((value for value in steps if value is not None), default=0.0)
        shown = [None if value is None else value - low * 0.9 for value in steps]
        lines.append(_row("over time", shown, value, "curve2", max(1, (width - LABEL - 12) // len(shown))))
    for row in found.slices[:MOST_SLICES]:
        lines.append(cut(_slice(row), width))
    return lines


def _slice(row: Any) -> Line:
    """The metric where a column has a value, beside what it was there before."""
    told = [*padded([span(f"{row.column} {row.value}", "bold")], NAME)]
    told.append(Span(figures.number(row.candidate) if row.candidate is not None else row.note or "undefined"))
    if row.production is not None:
        worse = row.difference is not None and row.difference < 0
        told.append(Span(f"  when evaluated {figures.number(row.production)}", "attention" if worse else "dim"))
    return [*told, Span(f"  n {row.rows:,}", "faint")]
