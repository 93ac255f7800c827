"""What the monitor found, as a page for people and as facts for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.output import Output, Styled, Table, can_write
from screens.profiling import LEVELS, PLAIN_LEVELS

if TYPE_CHECKING:
    from runners.actions.monitoring import Bucket, ColumnHarm, Histogram, Monitored, Performance

SHOWN_COLUMNS = 12
SHOWN_SLICES = 12


def show_monitored(out: Output, found: Monitored) -> None:
    """The last line of JSON sums it up; each part is a line of its own before."""
    requests, refused, errors = (
        sum(getattr(bucket, name) for bucket in found.traffic) for name in ("requests", "refused", "errors")
    )
    out.finish(
        endpoint=found.endpoint, model=found.model, version=found.version, since=found.since, until=found.until,
        rows=found.rows, requests=requests, refused=refused, errors=errors, notes=found.notes,
    )  # fmt: skip
    _emit(out, found)
    if out.json_lines:
        return
    serves = f"{found.model} v{found.version}" if found.version is not None else found.model
    out.say(f"{found.endpoint}  {serves}, the last {_length(found.until - found.since)}", "bold")
    out.say(f"{requests:,} requests, {refused:,} refused, {errors:,} failed; {found.rows:,} predictions in the log")
    _say_traffic(out, found.traffic)
    for performance in (found.performance, found.estimate):
        if performance is not None:
            out.say()
            _say_performance(out, performance)
    if found.predictions is not None:
        out.say()
        _say_predictions(out, found.predictions)
    if found.drift:
        out.table(_drift_table(found.drift[:SHOWN_COLUMNS]))
    for note in found.notes:
        out.note(note)


def _emit(out: Output, found: Monitored) -> None:
    for bucket in found.traffic:
        out.emit("traffic", asdict(bucket))
    for each in found.drift:
        out.emit("drift", column_facts(each))
    if found.predictions is not None:
        out.emit("predictions", asdict(found.predictions))
    if found.performance is not None:
        out.emit("performance", performance_facts(found.performance))
    if found.estimate is not None:
        out.emit("performance", performance_facts(found.estimate))


def column_facts(each: ColumnHarm) -> dict[str, Any]:
    return {
        **asdict(each.drift),
        "harm": each.harm,
        "importance": each.importance,
        "by_chance": each.by_chance,
        "sentence": each.drift.sentence,
    }


def performance_facts(found: Performance) -> dict[str, Any]:
    return {**asdict(found), "loss": found.loss, "sentence": found.sentence}


def _say_traffic(out: Output, buckets: list[Bucket]) -> None:
    requests = [bucket.requests for bucket in buckets]
    if not any(requests):
        return
    slowest = max((bucket.p99_ms for bucket in buckets if bucket.p99_ms is not None), default=None)
    out.say(f"requests  {bars(out, requests)}  at most {max(requests):,} in {_length(buckets[0].seconds)}")
    if slowest is not None:
        halves = [bucket.p50_ms or 0.0 for bucket in buckets]
        out.say(f"p50       {bars(out, halves)}  at most {max(halves):.3g} ms; p99 at most {slowest:.3g} ms")
    errors = [bucket.errors + bucket.refused for bucket in buckets]
    if any(errors):
        out.say(f"errors    {bars(out, errors)}  at most {max(errors):,}")


def _say_performance(out: Output, found: Performance) -> None:
    worse = found.loss is not None and found.loss > 0
    if found.estimated:
        out.say(found.sentence, "dim")
    else:
        out.say(found.sentence, "yellow" if worse else "")
    values = [step.value for step in found.over_time if step.value is not None]
    if len(values) > 1:
        out.say(f"  over time {bars(out, values, least=min(values))}  {values[0]:.3f} → {values[-1]:.3f}")
    if found.slices:
        table = Table(["slice", "value", "rows", found.metric, "when evaluated"], align="llrrr")
        table.rows = [
            [row.column, row.value, row.rows, _figure(row.candidate), _figure(row.production)]
            for row in found.slices[:SHOWN_SLICES]
        ]
        out.table(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _say_predictions(out: Output, found: Histogram) -> None:
    before, now = found.rows[1], found.rows[0]
    out.say(f"predictions  now {bars(out, found.now)}  ({now:,}), when it was trained "
            f"{bars(out, found.trained)}  ({before:,})")  # fmt: skip
    moved = found.drift
    shifted = moved.p < 0.05
    out.say(f"  PSI {moved.psi:.3f}, Jensen–Shannon {moved.js:.3f}" + ("" if shifted else ", no more than chance"))


def _drift_table(columns: list[ColumnHarm]) -> Table:
    table = Table(["column", "harm", "importance", "PSI", "JS", "KS", "p", "moved"], align="lrrrrrrl")
    table.rows = [
        [
            each.column,
            Styled(f"{each.harm:.3f}", "dim" if each.by_chance else "yellow" if each.harm >= 0.05 else ""),
            "" if each.importance is None else f"{each.importance:.4f}",
            f"{each.drift.psi:.3f}",
            f"{each.drift.js:.3f}",
            "" if each.drift.distance is None else f"{each.drift.distance:.3f}",
            f"{each.drift.p:.2g}",
            "no more than chance" if each.by_chance else each.drift.moved,
        ]
        for each in columns
    ]
    return table


def bars(out: Output, values: list[float] | list[int], *, least: float = 0.0) -> str:
    """A bar a value, in one line; the highest is full, `least` empty."""
    levels = LEVELS if can_write(out.people, LEVELS) else PLAIN_LEVELS
    top = max(values, default=0) - least
    places = [0 if top <= 0 else round((value - least) / top * (len(levels) - 1)) for value in values]
    return "".join(levels[max(0, place)] for place in places)


def _length(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size and (unit != "days" or seconds > size):
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
