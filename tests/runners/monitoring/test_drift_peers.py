"""Our figures of drift beside scipy's and evidently's, on the same columns (evidently_figures.py made the latter)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from runners.monitoring.drift import ColumnDrift, compare
from storage.distributions import jensen_shannon, psi
from tests.runners.monitoring.evidently_figures import columns

THEIRS: dict[str, Any] = json.loads(Path(__file__).with_name("evidently.json").read_bytes())["columns"]


@pytest.fixture(scope="module")
def ours() -> dict[str, ColumnDrift]:
    """Each column alone: what evidently tells is not corrected for their number."""
    found = {}
    for name, (before, after) in columns().items():
        (found[name],) = compare({name: before.tolist()}, {name: after.tolist()})
    return found


@pytest.mark.parametrize("name", THEIRS)
def test_the_same_bins_give_the_same_figures(name: str) -> None:
    theirs = THEIRS[name]
    bins = list(zip(*theirs["bins"], strict=True))
    assert psi(bins) == pytest.approx(theirs["psi"], abs=1e-9)
    assert math.sqrt(jensen_shannon(bins)) == pytest.approx(jensenshannon(*theirs["bins"], base=2), abs=1e-3)
    # Evidently tells the distance in nats, the root of ours in bits times ln 2.
    assert math.sqrt(jensen_shannon(bins) * math.log(2)) == pytest.approx(theirs["js"], abs=5e-3)


@pytest.mark.parametrize("name", THEIRS)
def test_the_tests_give_the_same_p(name: str, ours: dict[str, ColumnDrift]) -> None:
    found = ours[name]
    if found.distance is not None:
        theirs = ks_2samp(*columns()[name])
        assert found.distance == pytest.approx(theirs.statistic, abs=1e-12)
        assert theirs.pvalue == pytest.approx(THEIRS[name]["p"], rel=1e-6, abs=1e-12)
    # Of numbers ours is twice the smaller p of values and of nulls, and asymptotic.
    allowed = 2.2 * THEIRS[name]["p"] + 1e-6 if found.distance is not None else THEIRS[name]["p"] + 1e-6
    assert found.p <= allowed and (found.p < 0.01) == (THEIRS[name]["p"] < 0.01)


def test_columns_are_ranked_as_evidently_ranks_them_although_our_bins_are_deciles(ours: dict[str, ColumnDrift]) -> None:
    by_ours = sorted(ours, key=lambda name: ours[name].js)
    by_theirs = sorted(THEIRS, key=lambda name: float(THEIRS[name]["js"]))
    assert by_ours[0] == by_theirs[0] == "same" and by_ours[1] == by_theirs[1] == "a little"
    assert by_ours[-1] == by_theirs[-1]
