"""What happened since somebody was last here."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runners.actions import digest as verbs
from runners.alerting import reporting
from storage.errors import UsageError
from storage.read import digest as read_digest
from storage.shed import Shed, current_user
from storage.tables import ModelVersion, Run, Sweep
from storage.write import models as write_models
from storage.write import rollouts as write_rollouts
from storage.write import seen
from tests.scenes import dataset_version_of, model_version_of, run_of

ME = current_user()


def changed(shed: Shed, run: Run, **fields: Any) -> Run:
    with shed.writing("changed by a test", f"run {run.id}") as write:
        found = write.session.get_one(Run, run.id)
        for name, value in fields.items():
            setattr(found, name, value)
        write.session.add(found)
    return found


def told(shed: Shed, **options: Any) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in verbs.digest(shed, **options).lines]


def test_an_empty_shed_has_one_line(shed: Shed) -> None:
    found = verbs.digest(shed)
    assert found.first and found.now - found.since == verbs.DAY
    assert told(shed) == [("queue", "nothing is running, nothing is queued")]


def test_each_kind_is_told_the_most_important_first(shed: Shed) -> None:
    data = dataset_version_of(shed, "flights", {"a.csv": b"1", "b.csv": b"2"})
    first = model_version_of(shed, run_of(shed, dataset_version_id=data.id), bias=1.0)
    write_models.promote(shed, first.id or 0)
    second = model_version_of(shed, run_of(shed), bias=2.0, passed=False)
    write_models.promote(shed, second.id or 0, override="the customer waits")
    write_models.roll_back(shed, "flight-delay", "errors\nand more")
    model_version_of(shed, run_of(shed, status="waiting"), bias=3.0)
    run_of(shed, "lr", status="failed", reason="out of memory\n  last lines of its log:\n    x")
    changed(shed, run_of(shed, "hers", status="failed", reason="killed"), user="bo")
    run_of(shed, status="refused", reason="the gate refused it\n  ✗ min: auroc 0.6, at least 0.62\n  ✗ max: no")
    run_of(shed, status="stopped")
    changed(shed, run_of(shed, status="running"), user="bo")
    run_of(shed, status="running")
    with shed.writing("sweep", "sweep 1") as write:
        write.session.add(
            Sweep(name="lr", project="p", project_dir="/p", user="bo", host="h", status="done", created_at=1.0,
                  ended_at=time.time(), best_trial=7, reason="trial 7 is best with val/auroc 0.7")
        )  # fmt: skip
    lines = told(shed)
    assert lines == [
        ("waiting", "flight-delay v3 passed the gate and waits for a person"),
        ("failed", "run 4 lr failed: out of memory"),
        ("failed", "run 5 hers (bo) failed: killed"),
        ("taken back", "flight-delay went back to v1 from v2: errors"),
        ("refused", "run 6 flight-delay was refused by the gate: min: auroc 0.6, at least 0.62 and 1 more"),
        ("promoted", "flight-delay v2 went to production, past the gate: the customer waits, the last of 2"),
        ("sweep", "sweep 1 lr done, by bo: trial 7 is best with val/auroc 0.7"),
        ("done", "3 runs done: 3, 2, 1"),
        ("stopped", "run 7 flight-delay stopped"),
        ("data", "flights v1: 2 files"),
        ("queue", "2 running (yours: 9)"),
    ]
    shown = verbs.digest(shed).shown()
    assert len(shown) == 9 and shown[-1].kind == "queue" and shown[0].kind == "waiting"


def canary_of(shed: Shed, version: ModelVersion, against: ModelVersion, status: str, reason: str) -> None:
    begun = write_rollouts.begin(shed, "web", "canary", "flight-delay", version=version, against=against, rules={})
    if status == "promoted":
        write_models.promote(shed, version.id or 0, override=f"canary: {reason}")
    write_rollouts.end(shed, begun.id or 0, status, reason, {})


def test_canaries_that_ended_by_themselves_are_told_with_the_reason_until_they_were_seen(shed: Shed) -> None:
    first, second, third = (model_version_of(shed, run_of(shed), bias=bias) for bias in (1.0, 2.0, 3.0))
    write_models.promote(shed, first.id or 0)
    verbs.mark_seen(shed, verbs.digest(shed))
    canary_of(shed, second, first, "aborted", "p50 is 4 ms beside 1 ms\nand more")
    canary_of(shed, third, first, "promoted", "400 requests beside 3,600")
    assert told(shed)[:2] == [
        ("taken back", "canary v2 of web was given up: p50 is 4 ms beside 1 ms"),
        ("promoted", "flight-delay v3 went to production, as its canary held: 400 requests beside 3,600"),
    ]
    report = reporting.text(shed, "flight-delay", verbs.digest(shed).since, time.time())
    assert "canary v2 of web given up: p50 is 4 ms" in report
    assert "canary v3 of web promoted: 400 requests beside 3,600" in report
    verbs.mark_seen(shed, verbs.digest(shed))
    assert [kind for kind, _ in told(shed)] == ["queue"]


def test_what_a_person_has_seen_is_not_told_again_and_looking_never_moves_back(shed: Shed) -> None:
    run_of(shed, status="failed", reason="old")
    first = verbs.digest(shed)
    verbs.mark_seen(shed, first)
    run_of(shed, "second", status="failed", reason="new")
    again = verbs.digest(shed)
    assert not again.first and again.since == first.now
    assert [line.text for line in again.lines if line.kind == "failed"] == ["run 2 second failed: new"]
    seen.look(shed, 5.0)
    assert read_digest.seen_at(shed, ME) == first.now
    assert len([line for line in verbs.digest(shed, since=0.0).lines if line.kind == "failed"]) == 2


def test_a_candidate_waits_until_somebody_decides(shed: Shed) -> None:
    version = model_version_of(shed, run_of(shed, status="waiting"))
    verbs.mark_seen(shed, verbs.digest(shed))
    assert ("waiting", "flight-delay v1 passed the gate and waits for a person") in told(shed), "however long ago"
    write_models.promote(shed, version.id or 0, approved=True)
    assert [kind for kind, _ in told(shed)] == ["promoted", "queue"]
    other = model_version_of(shed, run_of(shed, status="waiting"), bias=2.0)
    write_models.reject(shed, other.id or 0, "biased")
    assert ("taken back", "flight-delay v2 was rejected: biased") in told(shed)
    assert "waiting" not in [kind for kind, _ in told(shed)]


def test_many_failures_and_runs_are_counted_ones_own_failures_first(shed: Shed) -> None:
    for number in range(12):
        run = run_of(shed, status="failed", reason=f"reason {number}")
        if number != 4:
            changed(shed, run, user="bo")
    for _ in range(7):
        changed(shed, run_of(shed), user="bo")
    lines = told(shed)
    assert lines[0] == ("failed", "run 5 flight-delay failed: reason 4")
    assert lines[3] == ("failed", "9 more runs failed: 10, 9, 8, 7, 6 …")
    assert ("done", "7 runs done: 19, 18, 17, 16, 15 …, none of them yours") in lines


def test_long_and_odd_reasons_are_one_line(shed: Shed) -> None:
    run_of(shed, status="failed", reason="x" * 500 + "\nmore")
    run_of(shed, status="failed", reason="")
    texts = [text for kind, text in told(shed) if kind == "failed"]
    assert texts[0] == "run 2 flight-delay failed: no reason kept"
    assert len(texts[1]) < 150 and "\n" not in texts[1] and texts[1].endswith("…")


@pytest.mark.parametrize(
    ("text", "seconds"), [("45min", 2700), ("3h", 10800), ("2d", 172800), ("1.5 h", 5400), ("1w", 604800)]
)
def test_a_span_reaches_back_from_now(text: str, seconds: float) -> None:
    assert verbs.parsed_since(text, now=1e9) == 1e9 - seconds


def test_a_day_is_a_moment_and_anything_else_is_told() -> None:
    assert verbs.parsed_since("2026-03-01T00:00:00+00:00") == 1772323200.0
    for text in ("", "yesterday", "3", "-2d", "2m"):
        with pytest.raises(UsageError, match="--since"):
            verbs.parsed_since(text)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("data validation stopped the pipeline\n  a ≤ 0.5: 115 rows", ": a ≤ 0.5: 115 rows"),
        ("the query cannot run", ": the query cannot run"),
        ("", ""),
    ],
)
def test_why_data_were_refused_is_told_in_a_few_words(shed: Shed, reason: str, said: str) -> None:
    run_of(shed, status="invalid", reason=reason)
    assert ("refused", f"run 1 flight-delay was refused by data validation{said}") in told(shed)
