"""The table of runs: which columns it has, and what stands in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from screens import figures
from screens.charts.sparkline import sparkline
from screens.glyphs import bar, glyph, role_of
from screens.ink import Line, Span, span
from screens.outlook import begins
from screens.widgets.grid import Column, Row

if TYPE_CHECKING:
    from screens.runs import Found
    from storage.read.runs import RunRow

SPARK = 10
MOST_PARAMS = 3
SWEEP_TAG = re.compile(r"sweep-\d+")
LONG = 8  # characters of a param beyond which a number is rounded


def told(
    found: Found, marked: list[int], sparks: dict[int, list[float | None]], *, now: float
) -> tuple[list[Column], list[Row]]:
    """Columns and rows of the table."""
    rows = found.listing.rows
    with_project = found.asked.project is None
    params = varying([row.params for row in rows])
    tagged = any(own_tags(row) for row in rows)
    columns = [
        Column("", width=1),
        Column("run", "r", least=3),
        Column("name", grow=True, least=10, wants=24, most=44),
        *([Column("project", most=20, rank=3, role="dim")] if with_project else []),
        Column("user", most=12, rank=4, role="dim"),
        Column("status", least=13, rank=8),
        *([Column("tags", most=18, rank=6, role="dim")] if tagged else []),
        *([Column(found.metric, "r", least=6, rank=7)] if found.metric else []),
        *([Column("", width=SPARK, rank=3)] if found.metric else []),
        *(Column(name, "r", most=10, rank=2, role="dim") for name in params),
        Column("took", "r", rank=2, role="dim"),
        Column("started", "r", rank=5, role="dim"),
    ]
    parts = Parts(params, tagged=tagged, with_project=with_project)
    return columns, [
        Row(
            row.run.id or 0,
            tuple(_cells(row, found, parts, sparks.get(row.run.id or 0), now)),
            marked=row.run.id in marked,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Parts:
    """Which of the columns there are that not every list has."""

    params: list[str]
    tagged: bool
    with_project: bool


def _cells(row: RunRow, found: Found, parts: Parts, points: list[float | None] | None, now: float) -> Iterator[Line]:
    run = row.run
    status = "left alone" if (run.id or 0) in found.left_alone else run.status
    yield [glyph(status)]
    yield [Span(str(run.id), "dim")]
    yield [span(run.name)]
    if parts.with_project:
        yield [span(run.project)]
    yield [span(run.user)]
    yield state(row, status, begins(found.outlooks.get(run.id or 0), now - found.at))
    if parts.tagged:
        yield [span(" ".join(own_tags(row)))]
    if found.metric:
        value = metric_value(row, found.metric)
        yield [] if value is None else [Span(figures.number(value), "bold")]
        yield [sparkline(points, SPARK, "running" if run.status == "running" else "dim")] if points else []
    for name in parts.params:
        yield [span(brief(row.params.get(name, "")))]
    yield [Span(took(row, now))]
    yield [Span(figures.ago(run.started_at or run.created_at, now))]


def own_tags(row: RunRow) -> list[str]:
    """The tags that people gave: what a sweep calls its trials stands in their names already."""
    return [tag for tag in row.tags if not SWEEP_TAG.fullmatch(tag)]


def gate_metric(rows: Sequence[RunRow]) -> str:
    """The metric that the gates of most of these runs look at; empty where none does."""
    wanted = [str((row.run.spec.get("gate") or {}).get("metric") or "") for row in rows]
    found = Counter(name for name in wanted if name).most_common(1)
    return found[0][0] if found else ""


def metric_value(row: RunRow, metric: str) -> float | None:
    """On test rows where there is one, else the newest on validation rows, else whatever is called so."""
    for name in (f"test/{metric}", f"val/{metric}", f"validation/{metric}", metric):
        if name in row.metrics and row.metrics[name].last is not None:
            return row.metrics[name].last
    ending = (found.last for name, found in row.metrics.items() if name.endswith("/" + metric))
    return next((value for value in ending if value is not None), None)


def varying(params: Sequence[dict[str, str]]) -> list[str]:
    """The params in which these runs differ most, a few."""
    values: dict[str, set[str | None]] = {}
    for name in {name for given in params for name in given}:
        values[name] = {given.get(name) for given in params}
    found = [name for name, told in values.items() if len(told) > 1]
    return sorted(found, key=lambda name: (-len(values[name]), name))[:MOST_PARAMS]


def brief(text: str) -> str:
    """A param in a narrow column: long numbers with fewer digits."""
    if len(text) <= LONG:
        return text
    try:
        return figures.number(float(text))
    except ValueError:
        return text


def state(row: RunRow, status: str, begins: str = "") -> Line:
    """How far it is, when it begins, or how it ended."""
    if status == "queued" and begins:
        return [Span(f"queued, {begins}", role_of(status))]
    if status == "running" and row.run.progress is not None:
        return [*bar(row.run.progress, 8), Span(f" {row.run.progress * 100:3.0f} %")]
    return [Span(status, role_of(status))]


def took(row: RunRow, now: float) -> str:
    if row.run.started_at is None:
        return ""
    return figures.duration((row.run.ended_at or now) - row.run.started_at)
