"""The gate's rules: a pure function from what is known of a candidate to a verdict for each rule."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runners.evaluation.bootstrap import Difference
from runners.evaluation.disagreement import Flipped
from runners.evaluation.scores import METRICS, known_metric, shown
from runners.evaluation.slices import SliceRow
from storage.counted import counted
from storage.project import GateSection, Task

if TYPE_CHECKING:
    from runners.serving.loadtest import LoadTest

ROUNDING = 1e-9  # a difference smaller than this is the rounding of a subtraction
LOSSES = ("loss", "nll", "cross_entropy", "perplexity")


@dataclass(frozen=True)
class NonFinite:
    """The first step at which a logged metric was NaN or infinite; `value` is "nan", "inf" or "-inf"."""

    metric: str
    step: int
    value: str = "nan"


@dataclass(frozen=True)
class ChecksOutcome:
    """What data validation found: how many checks held, and the names of the broken ones, by what they do."""

    held: int = 0
    stopped: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Everything that a gate judges by.

    Attributes:
        task: the project's task; None for a command, which has no metrics of its own.
        checks: the outcome of data validation.
        nonfinite: metrics that were logged as NaN or infinity in training, each with its first such step.
        metrics: the candidate's metrics on the test rows; what is undefined is not there.
        undefined: why a metric is not there.
        production: production's metrics on the same rows; None while nothing is in production.
        difference: how much better the candidate is in the gate's metric, with its interval.
        slices: the gate's metric on parts of the test rows.
        flips: how many test rows get another answer than production gives.
        parity: the largest absolute difference between the packaged model's outputs and the trained module's.
        latency_p99_ms: the 99th percentile of the time that one row takes in the model alone.
        load: what a trial endpoint did under load, where a rule asks for it; `load_trouble` why there is none.
    """

    task: Task | None
    checks: ChecksOutcome = ChecksOutcome()
    nonfinite: tuple[NonFinite, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    production: Mapping[str, float] | None = None
    difference: Difference | None = None
    slices: tuple[SliceRow, ...] = ()
    flips: Flipped | None = None
    parity: float | None = None
    latency_p99_ms: float | None = None
    load: LoadTest | None = None
    load_trouble: str = ""

    def to_json(self) -> dict[str, Any]:
        """The evidence as JSON values, to be kept with the decision; what is not finite becomes text."""
        plain: dict[str, Any] = _json(asdict(self))
        return plain


@dataclass(frozen=True)
class Verdict:
    """One rule's outcome.

    Attributes:
        rule: its key in `[gate]`; "checks" and "finite" hold for every project.
        found, expected: what was measured and what the rule asks for; None where there is nothing to measure.
        text: both in words.
    """

    rule: str
    passed: bool
    found: float | str | None
    expected: float | str | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        plain: dict[str, Any] = _json(asdict(self))
        return plain


def judge(gate: GateSection, evidence: Evidence) -> list[Verdict]:
    """Return a verdict for every rule that is set, those that passed too; all must hold before an alias moves.

    A figure that is missing or NaN breaks its rule. Differences are positive when the candidate is better, for metrics
    of which less is better too. A metric of the project's own is better when higher, unless `max` alone bounds it.

    Raises:
        UsageError: for an unknown metric, with the nearest one.
    """
    if evidence.task is not None and gate.metric is not None:
        known_metric(gate.metric, evidence.task, {*evidence.metrics, *evidence.undefined} - set(METRICS))
    verdicts = [_checks(evidence.checks), _finite(evidence.nonfinite)]
    if gate.metric is not None:
        verdicts += _bounds(gate, gate.metric, evidence)
        if gate.beat_production_by is not None:
            verdicts.append(_beat_production(gate, gate.metric, gate.beat_production_by, evidence))
        if gate.max_slice_drop is not None:
            verdicts.append(_slices(gate, gate.metric, gate.max_slice_drop, evidence))
    verdicts.append(_parity(gate.parity, evidence.parity))
    if gate.max_latency_ms is not None:
        verdicts.append(_latency(gate.max_latency_ms, evidence))
    if gate.min_rps is not None:
        verdicts.append(_throughput(gate.min_rps, evidence))
    return verdicts


def _checks(checks: ChecksOutcome) -> Verdict:
    total = checks.held + len(checks.stopped) + len(checks.warned)
    text = f"{checks.held} of {total} checks hold" if total else "the project has no checks"
    if checks.stopped:
        text += "; broken: " + _listed(checks.stopped)
    if checks.warned:
        text += "; broken, but only warned of: " + _listed(checks.warned)
    return Verdict("checks", not checks.stopped, len(checks.stopped), 0, text)


def _finite(nonfinite: tuple[NonFinite, ...]) -> Verdict:
    """Only a loss counts: a metric can be rightly undefined at some step, and mixed precision skips a bad gradient."""
    losses = [n for n in nonfinite if any(word in n.metric.lower() for word in LOSSES)]
    texts = [f"{n.metric} was {n.value} at step {n.step:,}" for n in losses or nonfinite]
    if losses:
        return Verdict("finite", False, texts[0], "finite losses", _listed(texts))
    note = f" (told only: {_listed(texts)})" if texts else ""
    return Verdict("finite", True, None, "finite losses", "no loss was NaN or infinite" + note)


def _bounds(gate: GateSection, metric: str, evidence: Evidence) -> list[Verdict]:
    found = evidence.metrics.get(metric)
    verdicts = []
    for rule, bound, sign in (("min", gate.min, 1), ("max", gate.max, -1)):
        if bound is None:
            continue
        wanted = f"{'at least' if sign > 0 else 'at most'} {shown(bound)}"
        if found is None:
            text = _no_metric(metric, evidence)
            verdicts.append(Verdict(rule, False, None, bound, f"{text}; {wanted} is asked for"))
        else:
            passed = sign * (found - bound) >= 0
            verdicts.append(Verdict(rule, passed, found, bound, f"{metric} {shown(found)}, {wanted} is asked for"))
    return verdicts


def _beat_production(gate: GateSection, metric: str, wanted: float, evidence: Evidence) -> Verdict:
    rule = "beat_production_by"
    if evidence.production is None:
        return Verdict(rule, True, None, wanted, "no production yet")
    if metric not in evidence.metrics:
        return Verdict(rule, False, None, wanted, _no_metric(metric, evidence))
    if metric not in evidence.production:
        return Verdict(rule, False, None, wanted, f"{metric} of production could not be computed on these rows")
    ours, theirs = evidence.metrics[metric], evidence.production[metric]
    gain = ours - theirs if _higher_is_better(gate, metric) else theirs - ours
    text = f"{metric} {shown(ours)} against production's {shown(theirs)}: {_gain(gain)}"
    if evidence.difference is not None:
        text += f" (95 %: {_signed(evidence.difference.low)} to {_signed(evidence.difference.high)})"
    text += ", " + _asked(wanted)
    return Verdict(rule, gain >= wanted - ROUNDING, gain, wanted, text)


def _asked(wanted: float) -> str:
    if wanted < 0:
        return f"up to {shown(-wanted)} worse is allowed"
    return f"better by at least {shown(wanted)} is asked for" if wanted else "no worse is asked for"


def _slices(gate: GateSection, metric: str, allowed: float, evidence: Evidence) -> Verdict:
    rule = "max_slice_drop"
    rows = [row for row in evidence.slices if row.column in gate.slices]
    absent = [column for column in gate.slices if column not in {row.column for row in rows}]
    if absent:
        return Verdict(rule, False, None, allowed, f"no slices of {_listed(absent)} were computed")
    large = [row for row in rows if row.rows >= gate.min_slice_rows]
    skipped = _skipped(len(rows) - len(large), f"under {counted(gate.min_slice_rows, 'row')}")
    if evidence.production is None:
        weakest = _weakest([row for row in large if row.candidate is not None], _higher_is_better(gate, metric))
        told = f"; weakest: {_name(weakest)}, {metric} {shown(weakest.candidate or 0.0)}" if weakest else ""
        return Verdict(rule, True, None, allowed, f"no production yet{told}{skipped}")
    compared = [(row.difference, row) for row in large if row.difference is not None]
    skipped += _skipped(len(large) - len(compared), f"where {metric} is undefined")
    if not compared:
        return Verdict(rule, True, None, allowed, f"no slice could be compared{skipped}")
    # A difference that is not a number is the worst there is, and must not slip past the comparison below.
    gain, worst = min(compared, key=lambda pair: -math.inf if math.isnan(pair[0]) else pair[0])
    broken = sum(not -value <= allowed + ROUNDING for value, _ in compared)
    text = f"{broken} of {len(compared)} slices fall by more than {shown(allowed)}; " if broken else ""
    text += f"worst of {len(compared)}: " if not broken else "worst: "
    text += f"{_name(worst)}, {metric} {shown(worst.candidate or 0.0)} against {shown(worst.production or 0.0)}"
    text += f", {_gain(gain)}{skipped}"
    return Verdict(rule, not broken, max(0.0, -gain) if math.isfinite(gain) else gain, allowed, text)


def _parity(allowed: float, found: float | None) -> Verdict:
    if found is None:
        return Verdict("parity", False, None, allowed, "the packaged model was not compared with the trained one")
    text = f"packaged and trained model differ by {shown(found)} at most, {shown(allowed)} is allowed"
    return Verdict("parity", found <= allowed, found, allowed, text)


def _latency(allowed: float, evidence: Evidence) -> Verdict:
    rule, load = "max_latency_ms", evidence.load
    if load is None or load.failed:
        return Verdict(rule, False, None, allowed, _no_load(evidence))
    text = f"99 of 100 requests of one row to a trial endpoint take {shown(load.p99_ms)} ms or less"
    if evidence.latency_p99_ms is not None:
        text += f" ({shown(evidence.latency_p99_ms)} ms of it in the model)"
    return Verdict(rule, load.p99_ms <= allowed, load.p99_ms, allowed, f"{text}, {shown(allowed)} ms is allowed")


def _throughput(wanted: float, evidence: Evidence) -> Verdict:
    rule, load = "min_rps", evidence.load
    if load is None or load.failed:
        return Verdict(rule, False, None, wanted, _no_load(evidence))
    text = f"a trial endpoint answers {load.rps:,.0f} requests of one row a second, {load.connections} at once"
    return Verdict(rule, load.rps >= wanted, load.rps, wanted, f"{text}; at least {wanted:,.0f} is asked for")


def _no_load(evidence: Evidence) -> str:
    if evidence.load is not None:
        return f"{evidence.load.failed:,} of {evidence.load.requests:,} requests to a trial endpoint failed"
    return evidence.load_trouble or "it was not asked at a trial endpoint"


def _higher_is_better(gate: GateSection, metric: str) -> bool:
    if metric in METRICS:
        return METRICS[metric].higher_is_better
    return gate.max is None or gate.min is not None


def _no_metric(metric: str, evidence: Evidence) -> str:
    reason = evidence.undefined.get(metric)
    return f"{metric} is undefined: {reason}" if reason else f"{metric} was not computed"


def _weakest(rows: list[SliceRow], higher_is_better: bool) -> SliceRow | None:
    sign = 1 if higher_is_better else -1
    return min(rows, key=lambda row: sign * (row.candidate or 0.0), default=None)


def _name(row: SliceRow) -> str:
    return f"{row.column} = {row.value} ({counted(row.rows, 'row')})"


def _skipped(count: int, why: str) -> str:
    return f"; {counted(count, 'slice')} {why} skipped" if count else ""


def _gain(gain: float) -> str:
    if abs(gain) <= ROUNDING:
        return "equal"
    return f"{shown(abs(gain))} {'better' if gain > 0 else 'worse'}" if not math.isnan(gain) else "not comparable"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{shown(value)}"


def _listed(texts: Collection[str], most: int = 5) -> str:
    some = list(texts)[:most]
    return ", ".join(some) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value
