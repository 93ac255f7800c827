"""`trainshed test` on small projects: sound ones, and ones with a fault each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runners.actions import testing
from runners.actions.testing import Check, Tried
from storage.errors import UsageError
from tests.journeys.projects import diabetes_jsonl, digits_images, wine_sklearn
from tests.points import changed, points_project


@pytest.fixture
def points(tmp_path: Path) -> Path:
    return points_project(tmp_path / "points")


def by_name(tested: Tried) -> dict[str, Check]:
    assert tuple(check.name for check in tested.checks) == testing.NAMES
    return {check.name: check for check in tested.checks}


def failed(tested: Tried) -> list[str]:
    assert tested.passed == all(check.status != "failed" for check in tested.checks)
    return [check.name for check in tested.checks if check.status == "failed"]


def test_a_sound_project_passes_and_is_left_as_it_was(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINSHED_HOME", str(points.parent / "team"))
    before = {path: path.stat().st_mtime_ns for path in points.rglob("*")}
    seen: list[tuple[str, str]] = []
    tested = testing.try_out(
        points, on_event=lambda e: seen.append((e["stage"], e["status"])) if e["event"] == "stage" else None
    )
    found = by_name(tested)
    assert failed(tested) == []
    assert found["data"].text == "400 of 400 rows"
    assert "to the last bit" in found["same seed, same result"].text
    assert re.search(r"\d\d% of the spread of 24 rows explained", found["learns a few rows"].text)
    assert "train/loss" in found["loss falls"].text
    assert "auroc" in found["gate can judge"].text
    assert found["own tests"].status == "not asked" and "no folder tests/" in found["own tests"].text
    assert {path: path.stat().st_mtime_ns for path in points.rglob("*")} == before
    assert not (points.parent / "team").exists(), "the team's shed is not touched"
    assert tested.kept is None
    assert seen[:2] == [("data", "running"), ("data", "done")] and seen[-1] == ("own tests", "skipped")


@pytest.mark.parametrize(
    ("fault", "expected", "said"),
    [
        ("frozen", ["loss falls", "learns a few rows"], "does not learn the rows it is trained on"),
        ("rising", ["loss falls", "learns a few rows"], "goes from"),
        ("nan", ["loss is finite"], "train/loss is NaN or infinite at step 3"),
        ("unseeded", ["same seed, same result"], "train/loss at step 1"),
        ("crash", ["train"], "out of luck"),
    ],
)
def test_a_fault_is_found_by_the_question_that_is_about_it(
    points: Path, fault: str, expected: list[str], said: str
) -> None:
    tested = testing.try_out(changed(points, ('fault = "none"', f'fault = "{fault}"')))
    assert failed(tested) == expected
    assert any(said in check.details for check in tested.checks if check.status == "failed")
    if fault == "crash":
        asked_after = [
            check for check in tested.checks if check.name in ("evaluate", "loss falls", "learns a few rows")
        ]
        assert {check.status for check in asked_after} == {"not asked"}
        assert "trainshed-test-" not in by_name(tested)["train"].details.partition("next:")[2]


def test_a_training_that_returns_no_model_is_judged_by_its_loss(points: Path) -> None:
    tested = testing.try_out(changed(points, ('fault = "none"', 'fault = "no model"')))
    found = by_name(tested)
    assert failed(tested) == []
    assert "train/loss" in found["learns a few rows"].text and "1 series" in found["same seed, same result"].text
    for name in ("evaluate", "package", "gate can judge", "packaged as trained"):
        assert found[name].status == "not asked", name


def test_broken_data_fail_validation_and_the_rest_is_still_asked(points: Path) -> None:
    changed(points, ("[features]", '[checks.columns]\na = { type = "number", max = 0.5 }\n[features]'))
    tested = testing.try_out(points)
    assert failed(tested) == ["validate"]
    told = by_name(tested)["validate"].details
    assert "a ≤ 0.5: 115 rows" in told and "trainshed runs show" not in told


def test_data_that_are_not_there_leave_only_the_own_tests_to_ask(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (points / "data" / "one.csv").unlink()
    (points / "tests").mkdir()
    (points / "tests" / "test_it.py").write_text("def test_it():\n    assert 1\n")
    tested = testing.try_out(points)
    assert failed(tested) == ["data"]
    assert [check.name for check in tested.checks if check.status == "passed"] == ["own tests"]


def test_the_own_tests_count(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (points / "tests").mkdir()
    (points / "tests" / "test_it.py").write_text(
        "import pipeline\n\ndef test_it():\n    assert pipeline.train is None\n"
    )
    changed(points, ("[gate]", "[test]\noverfit = 0\n[gate]"))
    tested = testing.try_out(points)
    assert failed(tested) == ["own tests"]
    assert "pipeline.train is None" in by_name(tested)["own tests"].details
    assert by_name(tested)["learns a few rows"].text == "[test] overfit = 0"


def test_params_rows_and_loss_of_the_test_section_are_used(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(points.parent))
    changed(points, ("[gate]", "[test]\nrows = 100\nparams = { epochs = 2 }\noverfit_params = { epochs = 90 }\n[gate]"))
    tested = testing.try_out(points, keep=True)
    assert by_name(tested)["data"].text == "100 of 400 rows"
    assert tested.kept is not None
    from storage.read import runs
    from storage.shed import open_shed

    found = {row.run.name: row for row in runs.page(open_shed(tested.kept))}
    assert {name: row.params["epochs"] for name, row in found.items()} == {
        "whole": "2", "sample": "2", "again": "2", "few": "90",
    }  # fmt: skip
    changed(points, ("rows = 100", 'loss = "train/los"'))
    assert 'did you mean "train/loss"?' in by_name(testing.try_out(points))["loss falls"].details


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("params = { epoch = 2 }", 'did you mean "epochs"?'),
        ("params = { epochs = 'two' }", "\"test.params.epochs\": epochs='two': wrong type"),
        ("overfit_params = { nothing = 1 }", '"test.overfit_params.nothing": nothing'),
        ("overfit = 2", '"test.overfit" = 2'),
        ("row = 200", 'did you mean "rows"?'),
    ],
)
def test_a_wrong_test_section_is_a_usage_error(points: Path, section: str, said: str) -> None:
    changed(points, ("[gate]", f"[test]\n{section}\n[gate]"))
    with pytest.raises(UsageError) as caught:
        testing.try_out(points)
    assert said in str(caught.value)


def test_a_project_without_features_is_tried_on_all_its_files(points: Path) -> None:
    text = (points / "trainshed.toml").read_text()
    text = re.sub(r"\[features\].*?\[train\]", "[train]", text, flags=re.S)
    text = re.sub(r"\[gate\].*", "", text, flags=re.S)
    (points / "trainshed.toml").write_text(text)
    (points / "pipeline.py").write_text(
        "def train(run):\n"
        "    lines = (run.data.dir / 'files' / 'data' / 'one.csv').read_text().splitlines()\n"
        "    for step in range(5):\n        run.log({'loss': len(lines) / (step + 1)}, step=step)\n"
    )
    tested = testing.try_out(points)
    found = by_name(tested)
    assert failed(tested) == []
    assert "without [features]" in found["data"].text
    assert "401 → 80.2" in found["loss falls"].text
    assert "without [features]" in found["learns a few rows"].text


@pytest.mark.slow
@pytest.mark.parametrize("project", [wine_sklearn, diabetes_jsonl, digits_images])
def test_multiclass_regression_and_images_pass(project: object, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")  # type: ignore[operator]
    tested = testing.try_out(folder)
    assert failed(tested) == [], [check for check in tested.checks if check.status == "failed"]
    assert by_name(tested)["packaged as trained"].status == "passed"


def test_nothing_is_left_in_the_temporary_directory(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = points.parent / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    changed(points, ("[gate]", "[test]\nrows = 60\noverfit = 0\n[gate]"))
    testing.try_out(points)
    assert list(place.iterdir()) == []
