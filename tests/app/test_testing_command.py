"""`trainshed test` as a person, a program and a CI system see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from runners.actions.testing import NAMES
from tests.app.conftest import Call
from tests.app.test_runs_command import ROOT, on_a_terminal
from tests.points import changed, points_project
from tests.waiting import until


@pytest.fixture
def points(tmp_path: Path) -> Path:
    return changed(points_project(tmp_path / "points"), ("[gate]", "[test]\nrows = 100\n[gate]"))


def test_a_sound_project_exits_with_0_one_line_an_answer(call: Call, points: Path, tmp_path: Path) -> None:
    tested = call("test", "-p", points)
    assert tested.code == 0
    lines = tested.out.splitlines()
    assert [line.partition(":")[0] for line in lines[: len(NAMES)]] == list(NAMES)
    assert lines[-1].startswith("points: 12 passed, 1 not asked, in ")
    assert not (tmp_path / "shed").exists(), "the team's shed is not touched, not even made"


def test_a_fault_exits_with_1_and_is_told_in_full_to_programs_and_ci(call: Call, points: Path, tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    tested = call("test", "-p", changed(points, ('"none"', '"nan"')), "--json", "--junit", report)
    assert tested.code == 1
    checks = {line["name"]: line for line in tested.lines if line["event"] == "check"}
    assert list(checks) == list(NAMES)
    assert checks["loss is finite"]["status"] == "failed"
    assert "at step 3" in checks["loss is finite"]["details"]
    assert tested.finished["status"] == "failed"
    assert (tested.finished["passed"], tested.finished["failed"], tested.finished["not_asked"]) == (11, 1, 1)
    (suite,) = ElementTree.parse(report).getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("points", "13", "1")
    told = call("test", "-p", points).out
    assert "loss is finite failed" in told and "smaller learning rate" in told


def test_on_a_terminal_it_is_a_table_that_fills(points: Path, shed: object, tmp_path: Path) -> None:
    from storage.shed import open_shed

    code, told = on_a_terminal(open_shed(tmp_path / "shed"), "test", "-p", str(points))
    assert code == 0
    last = told[told.rindex("testing ") :]
    assert last.count("✓") == 12 and "own tests" in last and "not asked" in last


def test_its_shed_is_kept_when_asked_for(call: Call, points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(points.parent))
    kept = call("test", "-p", points, "--keep", "--json").finished["shed"]
    assert (Path(kept) / "shed.db").exists()
    assert {line["name"] for line in call("--shed", kept, "runs", "list", "--all-projects", "--json").lines[:-1]} == {
        "whole", "sample", "again", "few",
    }  # fmt: skip


def test_wrong_settings_and_places_are_usage_errors(call: Call, points: Path, tmp_path: Path) -> None:
    assert call("test", "-p", points, "--junit", tmp_path / "nowhere" / "junit.xml").code == 2
    assert call("test", "-p", tmp_path / "empty").code == 2
    assert call("test", "-p", changed(points, ("rows = 100", "row = 100"))).code == 2
    (points / "trainshed.toml").write_text("[project\n")
    assert call("test", "-p", points).code == 2


def test_it_keeps_off_the_gpu_unless_told_otherwise(call: Call, points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "7")
    code = (points / "pipeline.py").read_text()
    seen = points.parent / "seen"
    spy = f"import os\nopen({str(seen)!r}, 'a').write(os.environ['CUDA_VISIBLE_DEVICES'] + ',')\n"
    (points / "pipeline.py").write_text(spy + code)
    call("test", "-p", points)
    assert set(seen.read_text().split(",")) == {""}
    seen.unlink()
    call("test", "-p", points, "--gpu")
    assert set(seen.read_text().split(",")) == {"7", ""}


def test_ctrl_c_ends_it_and_leaves_nothing_behind(points: Path, tmp_path: Path) -> None:
    place, begun = tmp_path / "tmp", tmp_path / "begun"
    place.mkdir()
    spy = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n"
    (points / "pipeline.py").write_text(spy + (points / "pipeline.py").read_text())
    testing = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "test", "-p", str(points)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(place)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(begun.exists)
    assert any(path.name.startswith("trainshed-test-") for path in place.iterdir())
    testing.send_signal(signal.SIGINT)
    testing.communicate(timeout=60)
    assert testing.returncode == 130
    assert list(place.iterdir()) == []
