"""The table of runs: which columns it has, and what stands in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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


class RunTable:
    """Makes the rows, and keeps those of which nothing has changed: most runs of a list ended long ago."""

    def __init__(self) -> None:
        self._parts: Parts | None = None
        self._kept: dict[int, tuple[Facts, Row]] = {}

    def told(
        self, found: Found, marked: list[int], sparks: dict[int, list[float | None]], *, now: float
    ) -> tuple[list[Column], list[Row]]:
        """Columns and rows of the table."""
        runs = found.listing.rows
        tags = [own_tags(row) for row in runs]
        parts = Parts(
            tuple(varying([row.params for row in runs])), any(tags), found.asked.project is None, found.metric
        )
        before = self._kept if parts == self._parts else {}
        self._parts, self._kept = parts, {}
        for row, own in zip(runs, tags, strict=True):
            run_id = row.run.id or 0
            facts = _facts(row, found, parts, own, sparks.get(run_id), run_id in marked, now)
            known = before.get(run_id)
            same = known is not None and known[0] == facts
            self._kept[run_id] = known if known and same else (facts, _row(run_id, facts, parts))
        return _columns(parts), [row for _, row in self._kept.values()]


@dataclass(frozen=True)
class Parts:
    """Which of the columns there are that not every list has."""

    params: tuple[str, ...]
    tagged: bool
    with_project: bool
    metric: str


class Facts(NamedTuple):
    """All that the row of a run is made of."""

    name: str
    project: str
    user: str
    status: str
    progress: float | None
    begins: str
    tags: list[str]
    value: float | None
    points: list[float | None] | None
    params: tuple[str, ...]
    took: str
    started: str
    marked: bool


def _facts(
    row: RunRow,
    found: Found,
    parts: Parts,
    tags: list[str],
    points: list[float | None] | None,
    marked: bool,
    now: float,
) -> Facts:
    run, run_id = row.run, row.run.id or 0
    return Facts(
        name=run.name,
        project=run.project,
        user=run.user,
        status="left alone" if run_id in found.left_alone else run.status,
        progress=run.progress,
        begins=begins(found.outlooks.get(run_id), now - found.at),
        tags=tags,
        value=metric_value(row, parts.metric) if parts.metric else None,
        points=points,
        params=tuple(row.params.get(name, "") for name in parts.params),
        took=took(row, now),
        started=figures.ago(run.started_at or run.created_at, now),
        marked=marked,
    )


def _columns(parts: Parts) -> list[Column]:
    return [
        Column("", width=1),
        Column("run", "r", least=3),
        Column("name", grow=True, least=10, wants=24, most=44),
        *([Column("project", most=20, rank=3, role="dim")] if parts.with_project else []),
        Column("user", most=12, rank=4, role="dim"),
        Column("status", least=13, rank=8),
        *([Column("tags", most=18, rank=6, role="dim")] if parts.tagged else []),
        *([Column(parts.metric, "r", least=6, rank=7)] if parts.metric else []),
        *([Column("", width=SPARK, rank=3)] if parts.metric else []),
        *(Column(name, "r", most=10, rank=2, role="dim") for name in parts.params),
        Column("took", "r", rank=2, role="dim"),
        Column("started", "r", rank=5, role="dim"),
    ]


def _row(run_id: int, facts: Facts, parts: Parts) -> Row:
    return Row(run_id, tuple(_cells(run_id, facts, parts)), marked=facts.marked)


def _cells(run_id: int, facts: Facts, parts: Parts) -> Iterator[Line]:
    yield [glyph(facts.status)]
    yield [Span(str(run_id), "dim")]
    yield [span(facts.name)]
    if parts.with_project:
        yield [span(facts.project)]
    yield [span(facts.user)]
    yield state(facts.status, facts.progress, facts.begins)
    if parts.tagged:
        yield [span(" ".join(facts.tags))]
    if parts.metric:
        yield [] if facts.value is None else [Span(figures.number(facts.value), "bold")]
        role = "running" if facts.status == "running" else "dim"
        yield [sparkline(facts.points, SPARK, role)] if facts.points else []
    for text in facts.params:
        yield [span(brief(text))]
    yield [Span(facts.took)]
    yield [Span(facts.started)]


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


def state(status: str, progress: float | None, begins: str = "") -> Line:
    """How far it is, when it begins, or how it ended."""
    if status == "queued" and begins:
        return [Span(f"queued, {begins}", role_of(status))]
    if status == "running" and progress is not None:
        return [*bar(progress, 8), Span(f" {progress * 100:3.0f} %")]
    return [Span(status, role_of(status))]


def took(row: RunRow, now: float) -> str:
    if row.run.started_at is None:
        return ""
    return figures.duration((row.run.ended_at or now) - row.run.started_at)
