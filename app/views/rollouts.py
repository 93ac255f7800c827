"""Second versions of endpoints, and what would change with another one, as people and programs see them."""

from __future__ import annotations

from dataclasses import asdict

from app.output import At, Output, Styled, Table
from runners.actions.canaries import Side, Standing
from runners.actions.halves import Half, Halves
from runners.actions.replaying import Replay
from runners.evaluation.replayed import Changed
from screens import figures

_STYLES = {"going": "yellow", "promoted": "green", "aborted": "red", "ended": "dim"}
_KINDS = {"canary": "canary", "shadow": "shadow", "ab": "split"}
MOST_SLICES = 20
MOST_EXAMPLES = 5


def show_standing(out: Output, found: Standing) -> None:
    """Both versions side by side, and the verdict."""
    out.finish(**asdict(found))
    if out.json_lines:
        return
    out.fields(
        [
            (_KINDS[found.kind], f"{found.model} v{found.version} beside v{found.production.version}"),
            ("endpoint", found.endpoint),
            ("verdict", Styled(found.verdict, _STYLES[found.verdict])),
            ("reason", found.reason or None),
            ("answers", _share(found)),
            ("since", At(found.routed_at or found.started_at)),
            ("judged", At(found.until) if found.until is not None and found.verdict == "going" else None),
            ("ended", At(found.ended_at) if found.ended_at is not None else None),
            ("by", found.started_by),
            ("apart", f"{found.shift:.3f}" if found.shift is not None else None),
        ]
    )
    table = Table(["", "version", "requests", "failed", "dropped", "p50", "p99"], align="llrrrrr")
    table.rows = [
        _side(name, side) for name, side in (("production", found.production), (_KINDS[found.kind], found.second))
    ]
    out.table(table)


def show_history(out: Output, found: list[Standing]) -> None:
    """One line each."""
    for each in found:
        out.emit("rollout", asdict(each))
    out.finish(rollouts=len(found))
    if not found and not out.json_lines:
        out.note("no second version yet; `trainshed endpoints canary start ENDPOINT` begins one")
        return
    table = Table(["began", "kind", "version", "requests", "verdict", "reason"], align="lllrll")
    table.rows = [
        [
            At(each.started_at),
            _KINDS[each.kind],
            f"v{each.version}",
            figures.number(each.second.requests),
            Styled(each.verdict, _STYLES[each.verdict]),
            each.reason,
        ]
        for each in found
    ]
    out.table(table)


def show_replay(out: Output, found: Replay) -> None:
    """What would change, by slice, and the rows that change most."""
    for each in found.slices:
        out.emit("slice", asdict(each))
    for pair in found.examples:
        out.emit("example", asdict(pair))
    facts = asdict(found)
    out.finish(**{name: value for name, value in facts.items() if name not in ("slices", "examples")})
    if out.json_lines:
        return
    whole = found.whole
    before = ", ".join(f"v{number}" for number in sorted(found.before))
    out.fields(
        [
            ("compared", f"{found.model} v{found.after} with {before or 'nothing'}, as {found.endpoint} was asked"),
            ("rows", figures.number(whole.rows)),
            ("cannot take", f"{found.unanswerable} rows: {found.why}" if found.unanswerable else None),
            ("changed", f"{whole.changed:,} ({_percent(whole.changed, whole.rows)})"),
            ("with truth", f"{whole.better:,} right only now, {whole.worse:,} only before"),
            ("apart", f"{whole.apart:.4g} on average"),
            ("mean", f"{whole.before:.4g} → {whole.after:.4g}" if whole.before is not None else None),
        ]
    )
    if found.slices:
        table = Table(["column", "value", "rows", "changed", "better", "worse", "apart"], align="llrrrrr")
        table.rows = [_slice(each) for each in found.slices[:MOST_SLICES]]
        out.table(table)
        if len(found.slices) > MOST_SLICES:
            out.note(f"{len(found.slices) - MOST_SLICES} more slices change less; --json tells all")
    for pair in found.examples[:MOST_EXAMPLES]:
        given = ", ".join(f"{name}={value}" for name, value in pair.inputs.items())
        out.say(f"{_told(pair.before)} → {_told(pair.after)}  {given}")
    if whole.changed:
        out.note(f"row by row: trainshed models flips {found.model}@v{found.after} --endpoint {found.endpoint}")


def show_halves(out: Output, found: Halves) -> None:
    """Both halves of a split, and which is better, if that is sure."""
    out.finish(**asdict(found))
    if out.json_lines:
        return
    table = Table(["", "version", "rows", "mean", "with truth", found.measure], align="llrrrr")
    table.rows = [_half(name, half) for name, half in (("production", found.production), ("second", found.second))]
    out.table(table)
    if found.difference is None:
        out.say("too few requests with a truth to tell which is better: POST /feedback brings it")
        return
    by, low, high = found.difference
    word = {"": "no difference is certain", "second": "the second is better", "production": "production is better"}
    out.say(f"{word[found.better]}: {by:+.4g} ({low:+.4g} to {high:+.4g})")


def _share(found: Standing) -> str:
    if found.header is not None:
        return f"requests with {found.header}: always"
    of = f" of the values of {found.key}" if found.key is not None else ""
    return f"{found.percent:g} %{of}" + (", for the log alone" if found.kind == "shadow" else "")


def _side(name: str, side: Side) -> list[object]:
    milliseconds = [f"{ms:.3g} ms" if ms is not None else "" for ms in (side.p50_ms, side.p99_ms)]
    return [
        name,
        f"v{side.version}",
        *(figures.number(n) for n in (side.requests, side.errors, side.dropped)),
        *milliseconds,
    ]


def _slice(each: Changed) -> list[object]:
    return [
        each.column, each.value, figures.number(each.rows), _percent(each.changed, each.rows), each.better, each.worse,
        f"{each.apart:.4g}",
    ]  # fmt: skip


def _half(name: str, half: Half) -> list[object]:
    means = [f"{value:.4g}" if value is not None else "" for value in (half.mean, half.score)]
    return [name, f"v{half.version}", figures.number(half.rows), means[0], figures.number(half.judged), means[1]]


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _told(prediction: object) -> str:
    if isinstance(prediction, dict) and prediction:
        name, share = max(prediction.items(), key=lambda each: float(each[1]))
        return f"{name} {share:.3f}"
    return f"{prediction:.4g}" if isinstance(prediction, float) else str(prediction)
