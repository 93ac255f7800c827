"""The lists of Home: their columns, and a line each for what waits, works, ended or is in production."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from screens import figures
from screens.glyphs import bar, glyph, role_of
from screens.ink import Line, Span, line, span
from screens.run_table import gate_metric, metric_value
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.home import AtWork, Home, InProduction, Need
    from runners.actions.pulse import Rate
    from storage.read.queue import Entry
    from storage.read.runs import RunRow
    from storage.tables import Stage

NEEDS = [Column("", width=1), Column("", grow=True, least=20, most=200), Column("", "r", rank=2)]
RUNNING = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=26, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", least=8, rank=7),
    Column("", "r", rank=8),
    Column("", "r", rank=6),
    Column("", "r", rank=5),
]
QUEUED = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=30, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", rank=2, role="dim"),
    Column("", "r", rank=6),
    Column("", rank=4, most=60, role="dim"),
]
LATELY = [
    Column("", width=1),
    Column("", "r", least=3),
    Column("", least=10, most=30, grow=True),
    Column("", most=10, rank=3, role="dim"),
    Column("", rank=7),
    Column("", "r", rank=6),
    Column("", "r", rank=2, role="dim"),
    Column("", "r", rank=5, role="dim"),
]
PRODUCTION = [
    Column("", width=1),
    Column("", grow=True, least=10, most=40),
    Column("", rank=5),
    Column("", "r", rank=4),
    Column("", "r", rank=3),
]


def key_of(need: Need) -> str:
    kind = {"approval": "model", "left alone": "run", "alert": "alert"}.get(need.kind, need.kind)
    return f"{kind}:{need.subject}"


def need_row(need: Need, now: float) -> Row:
    return Row(key_of(need), ([Span("!", "attention")], [span(need.text)], [Span(figures.ago(need.at, now), "dim")]))


def working_row(each: AtWork, now: float) -> Row:
    run = each.row.run
    share = run.progress or 0.0
    left = _left(each.stages, run.progress, run.started_at, now)
    metric = gate_metric([each.row])
    value = metric_value(each.row, metric) if metric else None
    stage = next((stage.name for stage in reversed(each.stages) if stage.status == "running"), "")
    cells: tuple[Line, ...] = (
        [glyph("running")],
        [Span(str(run.id), "dim")],
        [span(run.name, "bold")],
        [span(run.user)],
        bar(share, 18) if run.progress is not None else [span(stage, "dim")],
        [Span(f"{share * 100:.0f} %" if run.progress is not None else "")],
        [
            Span(
                f"{figures.about(left)} left" if left is not None else figures.duration(now - (run.started_at or now)),
                "dim",
            )
        ],
        [Span(f"{metric} ", "dim"), Span(figures.number(value), "bold")] if value is not None else [],
    )
    return Row(f"run:{run.id}", cells)


def ended_row(row: RunRow, now: float) -> Row:
    run = row.run
    metric = gate_metric([row])
    value = metric_value(row, metric) if metric else None
    cells: tuple[Line, ...] = (
        [glyph(run.status)],
        [Span(str(run.id), "dim")],
        [span(run.name)],
        [span(run.user)],
        [Span(run.status, role_of(run.status))],
        [Span(f"{metric} ", "dim"), Span(figures.number(value))] if value is not None else [],
        [Span(figures.duration(run.ended_at - run.started_at) if run.ended_at and run.started_at else "")],
        [Span(figures.ago(run.ended_at or run.created_at, now))],
    )
    return Row(f"run:{run.id}", cells)


def _left(stages: Sequence[Stage], progress: float | None, started: float | None, now: float) -> float | None:
    training = next((stage.started_at for stage in stages if stage.name == "train"), None)
    began = training or started
    if not progress or began is None:
        return None
    return max(0.0, (now - began) * (1 - progress) / progress)


def queued_row(entry: Entry, outlook: Outlook) -> Row:
    run, gpus = entry.run, entry.queued.gpus
    starts = outlook.starts_in
    soon = "now" if starts is not None and starts.likely < 1 else ""
    when = soon or (f"~{figures.duration(round(starts.likely))}" if starts is not None else "")
    cells: tuple[Line, ...] = (
        [glyph("queued")],
        [Span(str(run.id), "dim")],
        [span(run.name)],
        [span(run.user)],
        [Span(f"{gpus} gpu" if gpus else "cpu")],
        [Span(when)],
        [span(outlook.held)],
    )
    return Row(f"run:{run.id}", cells)


def serving_row(each: InProduction, now: float, rate: Rate | None = None) -> Row:
    """A version in production; `rate` is what its endpoint was asked lately."""
    version, model = each.details.version, each.details.model
    metric = str((each.details.gate.evidence if each.details.gate is not None else {}).get("metric") or "")
    value = version.metrics.get(metric)
    endpoint = each.endpoint
    state: Line = [Span("not served", "faint")]
    if endpoint is not None:
        healthy = endpoint.state == "serving"
        state = [Span("✓ " if healthy else "! ", "done" if healthy else "attention"), span(endpoint.state)]
        p99 = rate.p99 if rate is not None and rate.p99 is not None else endpoint.latency_ms[1]
        if healthy and rate is not None:
            state = [*state, Span(f"  {rate.requests:.2g} req/s")]
        if p99 is not None:
            state = [*state, Span(f"  p99 {figures.number(p99)} ms", "dim")]
    cells: tuple[Line, ...] = (
        [glyph("production")],
        [span(f"{model.name} v{version.number}", "bold")],
        state,
        [Span(f"{metric} ", "dim"), Span(figures.number(value))] if isinstance(value, (int, float)) else [],
        [Span(figures.ago(version.created_at, now), "dim")],
    )
    return Row(f"model:{model.name}@v{version.number}", cells)


def nothing_yet(home: Home, project: str | None) -> list[Line]:
    if not home.bare:
        return [[Span("nothing runs", "dim")]]
    if project is None:
        return [
            [],
            [Span("Welcome. Nothing has happened in this shed yet.", "bold")],
            [],
            line(
                Span("t", "accent bold"), Span("                    takes the tour, and runs a sample project", "dim")
            ),
            line(
                Span("trainshed init DIR", "accent"),
                Span("   starts a project from a template, or around your data", "dim"),
            ),
            line(Span("trainshed", "accent"), Span("            again, in that directory, shows it here", "dim")),
            [],
            line(
                Span("?", "accent"),
                Span(" names the keys, ", "dim"),
                Span("ctrl+p", "accent"),
                Span(" finds any action by its name", "dim"),
            ),
        ]
    return [
        [],
        [Span("Welcome. Nothing has run in this shed yet.", "bold")],
        [],
        line(
            Span("n", "accent bold"),
            Span("                   in Runs launches this project; ", "dim"),
            Span("t", "accent bold"),
            Span(" takes the tour", "dim"),
        ),
        line(Span("trainshed --batch", "accent"), Span("   takes this project from its files to production;", "dim")),
        [Span("                    what it does appears here, live", "dim")],
        [],
        line(
            Span("?", "accent"),
            Span(" names the keys, ", "dim"),
            Span("ctrl+p", "accent"),
            Span(" finds any action by its name", "dim"),
        ),
    ]
