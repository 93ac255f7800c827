"""Drift: same distributions raise no alarm, a column that shifted is found and ranked first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from runners.monitoring.drift import compare, holm, kolmogorov_smirnov


def rows(rng: np.random.Generator, count: int) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {f"n{i}": rng.normal(size=count).tolist() for i in range(8)}
    found["skewed"] = rng.lognormal(sigma=2, size=count).tolist()
    found["whole"] = rng.poisson(3, count).tolist()
    found["kind"] = rng.choice(["a", "b", "c"], count, p=[0.7, 0.25, 0.05]).tolist()
    found["many"] = [f"v{value}" for value in rng.zipf(1.6, count) % 200]
    found["gaps"] = [None if rng.random() < 0.2 else value for value in rng.normal(size=count)]
    return found


def test_of_200_pairs_of_the_same_at_most_one_in_twenty_raises_an_alarm() -> None:
    rng = np.random.default_rng(7)
    alarms = sum(any(d.p < 0.05 for d in compare(rows(rng, 500), rows(rng, 400))) for _ in range(200))
    large = sum(any(d.shifted(0.25) for d in compare(rows(rng, 500), rows(rng, 400))) for _ in range(50))
    assert alarms <= 10 and large == 0


def test_a_column_that_shifted_is_found_and_ranked_first() -> None:
    rng = np.random.default_rng(1)
    before, after = rows(rng, 2000), rows(rng, 1500)
    after["n3"] = [value + 0.8 for value in after["n3"]]
    after["kind"] = ["d" if value == "b" else value for value in after["kind"]]
    found = compare(before, after)
    assert {drift.column for drift in found if drift.shifted(0.25)} == {"n3", "kind"}
    assert {found[0].column, found[1].column} == {"n3", "kind"}
    assert next(drift for drift in found if drift.column == "n3").sentence.startswith("n3 shifted (PSI 0.")


def test_values_that_went_missing_are_a_shift() -> None:
    rng = np.random.default_rng(2)
    before, after = rows(rng, 1000), rows(rng, 1000)
    after["n0"] = [None if i % 2 else value for i, value in enumerate(after["n0"])]
    first = compare(before, after)[0]
    assert first.column == "n0" and first.shifted(0.25) and "nulls 0.0% → 50.0%" in first.sentence


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_the_figures_are_those_of_scipy(shift: float) -> None:
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=3000), rng.normal(shift, size=2000)
    theirs = ks_2samp(old, new, method="asymp")
    distance, p = kolmogorov_smirnov(old, new)
    assert distance == pytest.approx(theirs.statistic) and p == pytest.approx(theirs.pvalue, rel=0.2, abs=1e-6)
    kinds = (
        rng.choice(["a", "b"], 3000).tolist(),
        rng.choice(["a", "b"], 2000, p=[0.5 + shift / 4, 0.5 - shift / 4]).tolist(),
    )
    table = [[each.count("a"), each.count("b")] for each in kinds]
    (found,) = compare({"k": kinds[0]}, {"k": kinds[1]})
    assert found.p == pytest.approx(chi2_contingency(table, correction=False).pvalue, abs=1e-9)


def test_p_values_are_corrected_for_their_number() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
