"""The gate's rules."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from runners.evaluation.bootstrap import Difference
from runners.evaluation.rules import ChecksOutcome, Evidence, NonFinite, Verdict, judge
from runners.evaluation.slices import SliceRow
from runners.serving.loadtest import LoadTest
from storage.errors import UsageError
from storage.project import GateSection


def _evidence(**changes: Any) -> Evidence:
    facts: dict[str, Any] = {
        "task": "binary",
        "metrics": {"auroc": 0.7, "logloss": 0.4},
        "parity": 1e-6,
        "latency_p99_ms": 0.5,
        "load": _load(),
    }
    return Evidence(**(facts | changes))


def _load(**changes: Any) -> LoadTest:
    facts = {"p50_ms": 0.4, "p99_ms": 1.0, "rps": 2000.0, "connections": 16, "requests": 900, "failed": 0}
    return LoadTest(**(facts | changes))


def _one(gate: GateSection, evidence: Evidence, rule: str) -> Verdict:
    (found,) = [verdict for verdict in judge(gate, evidence) if verdict.rule == rule]
    return found


def _slice(value: str, rows: int, candidate: float | None, production: float | None) -> SliceRow:
    gain = candidate - production if candidate is not None and production is not None else None
    return SliceRow("carrier", value, rows, candidate, production, gain)


def test_every_rule_that_is_set_has_its_verdict_passed_or_not() -> None:
    gate = GateSection(
        metric="auroc",
        min=0.62,
        max=0.99,
        beat_production_by=0.0,
        slices=["carrier"],
        max_slice_drop=0.03,
        max_latency_ms=5,
    )
    evidence = _evidence(slices=(_slice("UA", 500, 0.7, None),))
    assert [(v.rule, v.passed) for v in judge(gate, evidence)] == [
        ("checks", True),
        ("finite", True),
        ("min", True),
        ("max", True),
        ("beat_production_by", True),
        ("max_slice_drop", True),
        ("parity", True),
        ("max_latency_ms", True),
    ]
    assert [v.rule for v in judge(GateSection(), evidence)] == ["checks", "finite", "parity"]


def test_broken_checks_are_named() -> None:
    checks = ChecksOutcome(held=3, stopped=("distance.min",), warned=("carrier.in",))
    verdict = _one(GateSection(), _evidence(checks=checks), "checks")
    assert not verdict.passed
    assert verdict.text == "3 of 5 checks hold; broken: distance.min; broken, but only warned of: carrier.in"
    assert _one(GateSection(), _evidence(checks=ChecksOutcome(2, warned=("x",))), "checks").passed


def test_a_loss_that_was_not_finite_is_refused_with_its_step() -> None:
    seen = (NonFinite("grad_norm", 3, "inf"), NonFinite("train/loss", 1200, "nan"))
    verdict = _one(GateSection(), _evidence(nonfinite=seen), "finite")
    assert (verdict.passed, verdict.found) == (False, "train/loss was nan at step 1,200")


def test_another_metric_that_was_not_finite_is_only_told() -> None:
    verdict = _one(GateSection(), _evidence(nonfinite=(NonFinite("grad_norm", 3, "inf"),)), "finite")
    assert verdict.passed
    assert verdict.text == "no loss was NaN or infinite (told only: grad_norm was inf at step 3)"


@pytest.mark.parametrize(
    ("metric", "rule", "bound", "passed"),
    [
        ("auroc", "min", 0.7, True),
        ("auroc", "min", 0.71, False),
        ("logloss", "max", 0.4, True),
        ("logloss", "max", 0.39, False),
    ],
)
def test_a_metric_must_keep_its_bounds(metric: str, rule: str, bound: float, passed: bool) -> None:
    verdict = _one(GateSection.model_validate({"metric": metric, rule: bound}), _evidence(), rule)
    assert (verdict.passed, verdict.expected) == (passed, bound)


def test_a_metric_that_is_undefined_or_nan_passes_nothing() -> None:
    gate = GateSection(metric="auroc", min=0.1, max=0.9, beat_production_by=0.0)
    missing = _evidence(metrics={}, undefined={"auroc": "all 9 rows are negative"}, production={"auroc": 0.5})
    nan = _evidence(metrics={"auroc": math.nan}, production={"auroc": 0.5})
    for evidence in (missing, nan):
        assert [v.passed for v in judge(gate, evidence)][2:5] == [False, False, False]
    assert _one(gate, missing, "min").text == ("auroc is undefined: all 9 rows are negative; at least 0.1 is asked for")
    unlike = _evidence(production={"logloss": 0.5})
    assert not _one(gate, unlike, "beat_production_by").passed


def test_production_must_be_beaten_by_the_margin() -> None:
    gate = GateSection(metric="auroc", beat_production_by=0.02)
    beaten = _evidence(production={"auroc": 0.68}, difference=Difference(0.02, -0.001, 0.04))
    verdict = _one(gate, beaten, "beat_production_by")
    assert verdict.passed
    assert verdict.found == pytest.approx(0.02)
    assert verdict.text == (
        "auroc 0.7 against production's 0.68: 0.02 better (95 %: -0.001 to +0.04), better by at least 0.02 is asked for"
    )
    close = _evidence(production={"auroc": 0.69})
    assert not _one(gate, close, "beat_production_by").passed


def test_less_is_better_for_a_loss() -> None:
    gate = GateSection(metric="logloss", beat_production_by=0.0)
    verdict = _one(gate, _evidence(production={"logloss": 0.45}), "beat_production_by")
    assert (verdict.passed, verdict.found) == (True, pytest.approx(0.05))
    assert not _one(gate, _evidence(production={"logloss": 0.35}), "beat_production_by").passed


def test_an_equal_model_is_no_worse_than_production() -> None:
    verdict = _one(
        GateSection(metric="auroc", beat_production_by=0.0), _evidence(production={"auroc": 0.7}), "beat_production_by"
    )
    assert verdict.passed
    assert verdict.text == "auroc 0.7 against production's 0.7: equal, no worse is asked for"


def test_with_nothing_in_production_there_is_nothing_to_beat() -> None:
    gate = GateSection(metric="auroc", beat_production_by=0.5, slices=["carrier"], max_slice_drop=0.0)
    evidence = _evidence(slices=(_slice("UA", 500, 0.7, None), _slice("OO", 300, 0.61, None)))
    assert _one(gate, evidence, "beat_production_by").text == "no production yet"
    verdict = _one(gate, evidence, "max_slice_drop")
    assert (verdict.passed, verdict.text) == (
        True,
        "no production yet; weakest: carrier = OO (300 rows), auroc 0.61",
    )


SLICED = GateSection(metric="auroc", slices=["carrier"], max_slice_drop=0.03)


def test_no_large_slice_may_fall_too_far() -> None:
    table = (
        _slice("UA", 5000, 0.72, 0.70),
        _slice("OO", 1204, 0.612, 0.655),
        _slice("HA", 40, 0.4, 0.9),
        _slice("YV", 150, None, None),
    )
    verdict = _one(SLICED, _evidence(production={"auroc": 0.7}, slices=table), "max_slice_drop")
    assert not verdict.passed
    assert verdict.found == pytest.approx(0.043)
    assert verdict.text == (
        "1 of 2 slices fall by more than 0.03; worst: carrier = OO (1,204 rows), auroc 0.612 against 0.655, 0.043 worse"
        "; 1 slice under 100 rows skipped; 1 slice where auroc is undefined skipped"
    )


def test_a_fall_within_the_limit_passes_and_the_worst_is_still_named() -> None:
    table = (_slice("UA", 5000, 0.72, 0.70), _slice("OO", 1204, 0.65, 0.68))
    verdict = _one(SLICED, _evidence(production={"auroc": 0.7}, slices=table), "max_slice_drop")
    assert verdict.passed
    assert verdict.text == "worst of 2: carrier = OO (1,204 rows), auroc 0.65 against 0.68, 0.03 worse"


def test_a_slice_that_is_not_a_number_breaks_the_rule() -> None:
    table = (_slice("UA", 5000, 0.72, 0.70), _slice("OO", 1204, math.nan, 0.68))
    verdict = _one(SLICED, _evidence(production={"auroc": 0.7}, slices=table), "max_slice_drop")
    assert not verdict.passed
    assert "carrier = OO" in verdict.text
    json.dumps(verdict.to_json(), allow_nan=False)


def test_slices_of_other_columns_do_not_count_and_missing_ones_are_refused() -> None:
    origin = SliceRow("origin", "JFK", 900, 0.1, 0.9, -0.8)
    with_carrier = _evidence(production={"auroc": 0.7}, slices=(origin, _slice("UA", 900, 0.7, 0.7)))
    assert _one(SLICED, with_carrier, "max_slice_drop").passed
    without = _one(SLICED, _evidence(production={"auroc": 0.7}, slices=(origin,)), "max_slice_drop")
    assert (without.passed, without.text) == (False, "no slices of carrier were computed")


def test_parity_and_latency_must_be_measured_and_kept() -> None:
    gate = GateSection(parity=1e-4, max_latency_ms=5)
    for found, passed in ((1e-4, True), (2e-4, False), (math.nan, False), (None, False)):
        assert _one(gate, _evidence(parity=found), "parity").passed is passed
    for found, passed in ((5.0, True), (5.1, False), (math.nan, False)):
        assert _one(gate, _evidence(load=_load(p99_ms=found)), "max_latency_ms").passed is passed


def test_speed_is_judged_by_what_a_trial_endpoint_does() -> None:
    gate = GateSection(max_latency_ms=5, min_rps=1500)
    text = _one(gate, _evidence(), "max_latency_ms").text
    assert text == (
        "99 of 100 requests of one row to a trial endpoint take 1 ms or less (0.5 ms of it in the model), "
        "5 ms is allowed"
    )
    assert _one(gate, _evidence(), "min_rps").text == (
        "a trial endpoint answers 2,000 requests of one row a second, 16 at once; at least 1,500 is asked for"
    )
    assert not _one(gate, _evidence(load=_load(rps=1499.0)), "min_rps").passed
    for evidence, told in (
        (_evidence(load=None), "it was not asked at a trial endpoint"),
        (_evidence(load=None, load_trouble="it crashed"), "it crashed"),
        (_evidence(load=_load(failed=3)), "3 of 900 requests to a trial endpoint failed"),
    ):
        for rule in ("max_latency_ms", "min_rps"):
            verdict = _one(gate, evidence, rule)
            assert (verdict.passed, verdict.text) == (False, told)


def test_an_unknown_metric_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='did you mean "auroc"'):
        judge(GateSection(metric="auc_roc"), _evidence(task="binary"))
    with pytest.raises(UsageError, match='"auroc" is a metric of binary tasks'):
        judge(GateSection(metric="auroc"), _evidence(task="regression"))


def test_a_metric_of_the_projects_own_can_be_judged() -> None:
    evidence = _evidence(metrics={"profit": 12.0, "cost": 3.0}, production={"profit": 11.0, "cost": 4.0})
    assert _one(GateSection(metric="profit", min=10, beat_production_by=1), evidence, "beat_production_by").passed
    lower = GateSection(metric="cost", max=5, beat_production_by=1)
    assert _one(lower, evidence, "beat_production_by").passed


def test_evidence_and_verdicts_are_json_even_when_not_finite() -> None:
    evidence = _evidence(
        parity=math.inf,
        difference=Difference(0.1, 0.0, 0.2),
        slices=(_slice("UA", 500, 0.7, 0.6),),
        nonfinite=(NonFinite("loss", 1),),
    )
    plain = json.loads(json.dumps(evidence.to_json(), allow_nan=False))
    assert plain["parity"] == "inf"
    assert plain["difference"] == {"value": 0.1, "low": 0.0, "high": 0.2}
    assert plain["slices"][0]["value"] == "UA"
    for verdict in judge(GateSection(), evidence):
        assert json.loads(json.dumps(verdict.to_json(), allow_nan=False))["rule"] == verdict.rule
