"""How an endpoint does: what answers, requests a second, latency and errors as they come, and a canary beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.acting import Acting
from screens.charts.bars import bars, round_top
from screens.ink import Line, Span, cut, joined, line, padded, span, wrapped
from screens.widgets.painted import Painted
from screens.widgets.rollout import is_news, rollout_told
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.canaries import Standing
    from runners.actions.endpoints import EndpointStatus
    from runners.actions.pulse import Beat, Rate

STEP_S = 2.0  # a bar is so long
LABEL = 12
FIGURE = 9
STATES = {
    "serving": ("●", "done"),
    "starting": ("◌", "running"),
    "stopping": ("◌", "waiting"),
    "stopped": ("‖", "waiting"),
    "failing": ("✗", "failed"),
    "dead": ("✗", "failed"),
}


def sign(state: str) -> Span:
    """The glyph of an endpoint's state."""
    return Span(*STATES.get(state, ("·", "dim")))


def below(milliseconds: float | None) -> str:
    """A latency, of which the bound of its bucket is known."""
    if milliseconds is None:
        return "–"
    return f"≤ {milliseconds:g} ms" if milliseconds != float("inf") else "> 5 s"


class Health(Acting, Painted):
    """A few lines about the endpoint that was shown last; the curves move with the app's pulse."""

    def __init__(self) -> None:
        super().__init__()
        self._endpoint: EndpointStatus | None = None
        self._empty: Sequence[Line] = ()
        self._rollout: Standing | None = None

    def show(
        self, endpoint: EndpointStatus | None, empty: Sequence[Line] = (), *, rollout: Standing | None = None
    ) -> None:
        """This endpoint, and what it serves beside its own version; `empty` is told where there is none."""
        self._endpoint, self._empty, self._rollout = endpoint, empty, rollout
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        endpoint = self._endpoint
        if endpoint is None:
            return self._empty
        lines = identity(endpoint, width)
        tall, pulse = self.screen.has_class("-high"), self.shell.pulse
        gap: list[Line] = [[]] if tall or self._rollout is None else []  # the predictions below need lines, too
        if pulse is not None and endpoint.state != "stopped":
            lines += [*gap, *vitals(pulse.beats(endpoint.name), width, tall=tall)]
        if self._rollout is not None and is_news(self._rollout, time.time()):
            lines += [*gap, *rollout_told(self._rollout, width)]
        return lines


def identity(endpoint: EndpointStatus, width: int) -> list[Line]:
    """What answers, since when and where; and what is wrong."""
    head, role = STATES.get(endpoint.state, ("·", "dim"))
    who: list[Line] = [[Span(f"{head} {endpoint.state}", f"{role} bold")]]
    if endpoint.version is not None:
        who.append(line(span(endpoint.model), Span(f" v{endpoint.version}", "bold")))
        who.append([Span(endpoint.digest[:12], "dim")])
    if endpoint.since is not None:
        who.append([Span(f"since {figures.ago(endpoint.since)}", "dim")])
    if endpoint.swaps:
        who.append([Span(counted(endpoint.swaps, "swap"), "dim")])
    restarts = sum(int(worker.get("restarts") or 0) for worker in endpoint.workers)
    if restarts:
        who.append([Span(f"workers started again {restarts}×", "attention")])
    lost = endpoint.counters.get("log_dropped", 0)
    if lost:
        who.append([Span(f"{lost:,} predictions not logged", "attention")])
    where = [Span(endpoint.url), Span(f"  follows {endpoint.model}@{endpoint.alias}", "dim")]
    lines: list[Line] = [cut(joined(who), width), cut(where, width)]
    if endpoint.trouble:
        lines += wrapped(f"! {endpoint.trouble}", width, "attention")[:3]
    return lines


def vitals(beats: Sequence[Beat], width: int, *, tall: bool = False, now: float | None = None) -> list[Line]:
    """Requests a second, latency and errors: a bar every two seconds, the newest at the right."""
    from runners.actions.pulse import rate

    now = time.time() if now is None else now
    room = max(8, width - LABEL - FIGURE - 2)
    slots: list[list[Beat]] = [[] for _ in range(room)]
    newest = int(now // STEP_S)
    for beat in beats:
        place = room - 1 - (newest - int(beat.at // STEP_S))
        if 0 <= place < room:
            slots[place].append(beat)
    rates = [rate(slot) if slot else None for slot in slots]
    recent = rate([beat for beat in beats if beat.at > now - 10])
    height = 2 if tall else 1
    return [
        *_curve("requests/s", _of(rates, "requests"), f"{recent.requests:.3g}", height, "running"),
        *_curve("p50", _of(rates, "p50"), below(recent.p50), 1, "dim"),
        *_curve("p99", _of(rates, "p99"), below(recent.p99), height, "curve6"),
        *_errors(rates, recent),
    ]


def _of(rates: Sequence[Rate | None], name: str) -> list[float | None]:
    return [getattr(each, name) if each is not None else None for each in rates]


def _curve(name: str, values: Sequence[float | None], figure: str, height: int, role: str) -> list[Line]:
    finite = [min(value, 5000.0) if value is not None else None for value in values]
    drawn = bars(finite, height, round_top(finite), role)
    rows: list[Line] = []
    for place, row in enumerate(drawn):
        last = place == height - 1
        label, told = (name, figure) if last else ("", "")
        rows.append([*padded([Span(label, "dim")], LABEL), row, Span("  "), *padded([Span(told, "bold")], FIGURE, "r")])
    return rows


def _errors(rates: Sequence[Rate | None], recent: Rate) -> list[Line]:
    """Ours in red; those of whoever asks, in amber beside them."""
    values = [each.failed + each.refused if each is not None else None for each in rates]
    role = "failed" if any(each is not None and each.failed for each in rates) else "attention"
    told = f"{recent.failed + recent.refused:.2g}"
    rows = _curve("errors/s", values, told, 1, role)
    told_apart = [Span(f"failed {recent.failed:.2g}/s", "failed" if recent.failed else "dim")]
    told_apart.append(Span(f"   refused {recent.refused:.2g}/s", "attention" if recent.refused else "dim"))
    return [*rows, [Span(" " * LABEL), *told_apart]]
