"""False alarms of drift on real flights: pairs of months drawn from one distribution must seldom raise one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from runners.monitoring.drift import CHANCE, compare
from runners.monitoring.harm import ranked

FLIGHTS = Path(__file__).parents[2] / "sample_project" / "data"
COLUMNS = ("sched_dep_time", "sched_arr_time", "distance", "flight", "carrier", "origin", "dest", "day")
MONTH = 2000  # rows of a month


@pytest.fixture(scope="module")
def flights() -> dict[str, np.ndarray[Any, Any]]:
    """Flights of a year's first months, in no order."""
    with duckdb.connect() as con:
        files = f"{FLIGHTS}/flights-2013-0[1-3].parquet"
        found = con.execute(f"select {', '.join(COLUMNS)} from read_parquet('{files}')").fetchnumpy()
    order = np.random.default_rng(0).permutation(len(found["distance"]))
    return {name: np.ma.getdata(values)[order] for name, values in found.items()}


def month(flights: dict[str, np.ndarray[Any, Any]], random: np.random.Generator) -> dict[str, list[Any]]:
    chosen = random.integers(0, len(flights["distance"]), MONTH)
    return {name: values[chosen].tolist() for name, values in flights.items()}


def alarms(flights: dict[str, np.ndarray[Any, Any]], pairs: int) -> int:
    random = np.random.default_rng(11)
    return sum(
        any(each.p < CHANCE for each in compare(month(flights, random), month(flights, random))) for _ in range(pairs)
    )


def test_of_200_pairs_of_the_same_months_at_most_one_in_twenty_raises_an_alarm(
    flights: dict[str, np.ndarray[Any, Any]],
) -> None:
    assert alarms(flights, 200) <= 10


def test_a_column_of_real_flights_that_shifted_is_ranked_first(flights: dict[str, np.ndarray[Any, Any]]) -> None:
    random = np.random.default_rng(3)
    before, after = month(flights, random), month(flights, random)
    after["distance"] = [value * 1.3 for value in after["distance"]]
    found = ranked(compare(before, after), dict.fromkeys(COLUMNS, 0.01))
    assert found[0].column == "distance" and all(each.harm == 0 for each in found[1:])
