"""A prediction is explained the same by its endpoint and by the command."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from runners.actions.explaining import explain
from storage.errors import DataInvalid, UsageError
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from tests.rivals import hold_out
from tests.served import RECORD, endpoint, probability, version_of

ROWS: dict[str, list[object]] = {
    "distance": [100.0, 800.0, 2000.0, 500.0, 3000.0, 0.0],
    "carrier": ["UA", "AA", "UA", "UA", "AA", "UA"],
    "day": [1, 2, 3, 4, 5, 6],
}


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    shed = open_shed(tmp_path / "shed")
    hold_out(shed, read_runs.run(shed, version_of(shed).run_id), ROWS, [0] * 6)
    return shed


def test_the_command_and_the_endpoint_explain_alike(shed: Shed) -> None:
    found = explain(shed, "delays", RECORD)
    assert found.prediction == pytest.approx(probability(RECORD)) and found.rows == 6
    records = [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]
    assert found.base == pytest.approx(sum(map(probability, records)) / 6)
    assert sum(each.contribution for each in found.columns) == pytest.approx(found.prediction - found.base)
    assert {each.column: each.value for each in found.columns} == RECORD
    assert all(math.isfinite(each.standard_error) for each in found.columns)
    with endpoint(shed) as (_, client):
        told = client.post("/explain", json=RECORD).raise_for_status().json()
        assert [each["column"] for each in told["columns"]] == [each.column for each in found.columns]
        for each, known in zip(told["columns"], found.columns, strict=True):
            assert each["contribution"] == pytest.approx(known.contribution, abs=1e-6)
        assert told["version"] == 1 and told["prediction"] == pytest.approx(found.prediction)
        assert client.post("/explain", json=[RECORD]).status_code == 422
        assert client.post("/explain", json={**RECORD, "day": "x"}).json()["field"] == "day"
        assert client.get("/explain").status_code == 405


def test_what_does_not_fit_is_told_with_its_column_and_rows_that_are_gone_too(shed: Shed) -> None:
    with pytest.raises(DataInvalid, match='column "day"'):
        explain(shed, "delays", {**RECORD, "day": None})
    version_of(shed, 1.0)
    with pytest.raises(UsageError, match="no rows of its dataset are left"):
        explain(shed, "delays", RECORD)
