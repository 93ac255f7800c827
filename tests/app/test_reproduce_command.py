"""`trainshed runs reproduce`, as people and programs see it."""

from __future__ import annotations

from pathlib import Path

from storage.shed import Shed
from tests.app.conftest import Call
from tests.points import changed, points_project


def test_a_run_that_is_reproduced_exits_with_0_and_one_that_is_not_with_1(call: Call, tmp_path: Path) -> None:
    project = changed(points_project(tmp_path / "points"), ("min = 0.999", "min = 0.5"))
    assert call("--batch", "-p", project).code == 0
    told = call("runs", "reproduce", "1")
    assert told.code == 0
    assert "run 2 reproduces run 1: 13 metrics agree up to 0.001" in told.out
    assert "the same, byte for byte" in told.out and "test/auroc" in told.out
    assert call("--batch", "-p", project, "--set", "fault=unseeded").code == 0
    again = call("runs", "reproduce", "3", "--json")
    assert again.code == 1
    finished = again.finished
    assert (finished["status"], finished["run"], finished["reproduces"], finished["agrees"]) == ("differs", 4, 3, False)
    pairs = {line["name"]: line for line in again.lines if line["event"] == "metric"}
    assert pairs["test/base_rate"]["agrees"] and not pairs["train/loss"]["agrees"]
    assert next(line for line in again.lines if line["event"] == "parted")["step"] == 1
    assert "chance in the training that the seed does not govern" in call("runs", "reproduce", "3").out
    assert call("runs", "reproduce", "3", "--tolerance", "10").code == 0


def test_what_cannot_be_reproduced_is_told(call: Call, shed: Shed) -> None:
    assert call("runs", "reproduce", "9").code == 2
    assert call("runs", "reproduce", "x").code == 2
