"""The monitor's pure parts: harm, traffic over time, predictions now and then."""

from __future__ import annotations

import numpy as np
import pytest

from runners.monitoring import histograms, traffic
from runners.monitoring.drift import ColumnDrift, compare
from runners.monitoring.harm import ranked
from storage.traffic import Sample


def moved(column: str, *, psi: float, js: float, p: float = 0.0) -> ColumnDrift:
    return ColumnDrift(column, psi, js, 0.5, p, (0.0, 0.0), None)


def test_a_column_that_the_model_leans_on_is_told_before_one_that_moved_further() -> None:
    drifts = [moved("idle", psi=3.0, js=0.3), moved("vital", psi=0.4, js=0.05), moved("still", psi=0.1, js=0.01, p=0.4)]
    found = ranked(drifts, {"idle": 0.0001, "vital": 0.2, "still": 0.5})
    assert [each.column for each in found] == ["vital", "idle", "still"]
    assert found[-1].harm == 0 and found[-1].by_chance


def test_without_any_importance_columns_are_ranked_by_how_far_they_moved() -> None:
    found = ranked([moved("a", psi=0.4, js=0.05), moved("b", psi=3.0, js=0.3)], {})
    assert [each.column for each in found] == ["b", "a"] and found[0].importance is None


def test_a_bucket_has_its_requests_its_errors_and_its_latency() -> None:
    samples = [Sample(100.0, {"answered": 5, "failed": 1}), Sample(160.0, {"answered": 25, "failed": 3, "refused": 2})]
    found = traffic.buckets(samples, {2: (10, 1.5, 9.0)}, 60.0, 185.0, 60.0, 0.5)
    assert [(bucket.requests, bucket.refused, bucket.errors) for bucket in found] == [(0, 0, 0), (20, 2, 2), (0, 0, 0)]
    assert (found[1].p50_ms, found[1].p99_ms, found[0].p50_ms) == (1.5, 9.0, None)
    unlogged = traffic.buckets(samples, {}, 60.0, 185.0, 60.0, 0.0)
    assert [bucket.requests for bucket in unlogged] == [0, 20, 0]


@pytest.mark.parametrize("hours", [0.01, 1, 24, 24 * 30, 24 * 366])
def test_a_window_has_at_most_sixty_buckets_of_a_round_length(hours: float) -> None:
    assert hours * 3600 / traffic.bucket_seconds(hours * 3600) <= traffic.MOST_BUCKETS


def test_predictions_now_lie_beside_those_of_the_training_in_the_same_bins() -> None:
    random = np.random.default_rng(0)
    now, then = random.beta(2, 2, 3000), random.beta(2, 5, 2000)
    found = histograms.histogram("binary", ["false", "true"], now, then)
    assert found is not None and found.bins is not None
    assert sum(found.now) == pytest.approx(1) == sum(found.trained) and found.rows == (3000, 2000)
    assert found.drift.shifted(0.25) and found.bins[0] == (0.0, 0.05)
    same = histograms.histogram("regression", [], random.normal(size=2000), random.normal(size=2000))
    assert same is not None and not same.drift.shifted(0.1)
    classes = histograms.histogram(
        "multiclass", ["a", "b"], np.tile([[0.2, 0.8]], (60, 1)), np.tile([[0.9, 0.1]], (60, 1))
    )
    assert classes is not None and dict(zip(classes.labels, classes.now, strict=True)) == {"a": 0.0, "b": 1.0}
    assert histograms.histogram("binary", [], np.zeros(0), then) is None


def test_a_shifted_column_of_many_is_found_and_most_harmful() -> None:
    random = np.random.default_rng(5)
    before = {f"c{i}": random.normal(size=1500).tolist() for i in range(30)}
    after = {name: random.normal(0.4 if name == "c7" else 0, 1, 1200).tolist() for name in before}
    found = ranked(compare(before, after), dict.fromkeys(before, 0.01))
    assert found[0].column == "c7" and all(each.harm == 0 for each in found[1:])
