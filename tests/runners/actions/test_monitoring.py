"""The monitor of an endpoint: traffic, inputs that drifted, predictions, performance or its estimate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.actions.monitoring import monitor
from storage.errors import UsageError
from storage.shed import Shed
from tests import logged


def test_what_was_asked_as_in_training_shows_traffic_and_no_drift(shed: Shed, tmp_path: Path) -> None:
    version = logged.trained(shed, tmp_path / "project")
    logged.log(logged.endpoint(shed, version), version, logged.records(800, seed=3))
    found = monitor(shed, "delays", 3600)
    assert (found.version, found.rows) == (1, 800) and sum(bucket.requests for bucket in found.traffic) == 800
    assert max(bucket.p99_ms or 0 for bucket in found.traffic) == pytest.approx(5)
    assert {each.column for each in found.drift} == {"distance", "carrier", "day"}
    assert all(each.by_chance for each in found.drift)
    assert found.predictions is not None and not found.predictions.drift.shifted(0.1)
    assert found.performance is None and "truth" in " ".join(found.notes)
    assert found.estimate is not None and found.estimate.estimated and "estimated" in found.estimate.sentence
    assert found.estimate.value == pytest.approx(found.estimate.reference, abs=0.05)


def test_a_column_that_moved_is_first_and_the_truth_is_told_by_time_and_slice(shed: Shed, tmp_path: Path) -> None:
    version = logged.trained(shed, tmp_path / "project")
    rows = logged.records(800, seed=3, farther=900.0)
    logged.log(logged.endpoint(shed, version), version, rows, known=logged.truths(rows))
    found = monitor(shed, "delays", 3600)
    first = found.drift[0]
    assert first.column == "distance" and first.drift.shifted(0.25) and first.harm > 0.1
    assert first.importance is not None and first.importance > 0
    assert found.predictions is not None and found.predictions.drift.shifted(0.25)
    judged = found.performance
    assert judged is not None and not judged.estimated and judged.rows == 800 and judged.value is not None
    assert judged.low is not None and judged.high is not None and judged.low < judged.value < judged.high
    assert {row.value for row in judged.slices} == {"AA", "UA"} and len(judged.over_time) >= 2
    assert all(row.production is not None and row.difference is not None for row in judged.slices)
    assert judged.reference is not None
    kept = json.loads((shed.endpoint_dir("delays") / "importance.json").read_bytes())
    assert kept["digest"] == version.digest and kept["columns"]["distance"] == first.importance


def test_columns_that_the_log_hides_are_not_compared(shed: Shed, tmp_path: Path) -> None:
    version = logged.trained(shed, tmp_path / "project")
    folder = logged.endpoint(shed, version, log={"hash": ["carrier"], "drop": ["day"]})
    rows = [{**row, "carrier": "0123456789abcdef"} for row in logged.records(200, seed=3)]
    logged.log(folder, version, rows)
    assert [each.column for each in monitor(shed, "delays", 3600).drift] == ["distance"]


def test_an_endpoint_that_nobody_asked_says_what_is_missing(shed: Shed, tmp_path: Path) -> None:
    version = logged.trained(shed, tmp_path / "project")
    logged.endpoint(shed, version)
    found = monitor(shed, "delays", 3600)
    assert not found.drift and found.predictions is None and found.estimate is None
    assert "0 predictions; drift needs 50" in found.notes
    with pytest.raises(UsageError, match="no endpoint"):
        monitor(shed, "delay")
