from __future__ import annotations

from pathlib import Path

from storage.shed import Shed
from tests import logged
from tests.app.conftest import Call


def test_an_endpoint_is_shown_to_people_and_programs(call: Call, shed: Shed, tmp_path: Path) -> None:
    version = logged.trained(shed, tmp_path / "project")
    rows = logged.records(300, seed=3, farther=900.0)
    logged.log(logged.endpoint(shed, version), version, rows, known=logged.truths(rows))
    told = call("monitor", "show", "delays", "--hours", "1").out
    for part in ("delays v1, the last 1 h", "300 requests", "measured", "estimated without truth", "distance", "harm"):
        assert part in told
    lines = call("monitor", "show", "delays", "--json").lines
    events = [line["event"] for line in lines]
    assert events[-1] == "finished" and {"traffic", "drift", "predictions", "performance"} <= set(events)
    assert [line["estimated"] for line in lines if line["event"] == "performance"] == [False, True]
    first = next(line for line in lines if line["event"] == "drift")
    assert (first["column"], first["by_chance"]) == ("distance", False) and first["harm"] > 0
    assert call("monitor", "show", "delay").code == 2
