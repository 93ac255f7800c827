"""What is told at the end of a run."""

from __future__ import annotations

import pytest

from runners.reports.reporting import best_of


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("auroc", {"this model": 0.7376, "production v1": 0.7377, "yardstick": 0.7362}, "production v1"),
        ("logloss", {"this model": 0.48, "production v1": 0.49, "yardstick": 0.49}, "this model"),
        ("auroc", {"this model": 0.7, "yardstick": 0.7}, "equal"),
        ("auroc", {"this model": 0.7, "yardstick": None}, ""),
        ("a metric of one's own", {"this model": 0.7, "yardstick": 0.6}, ""),
    ],
)
def test_the_best_of_all_that_stand_beside_each_other_is_named(
    metric: str, values: dict[str, float | None], best: str
) -> None:
    assert best_of(metric, values) == best
