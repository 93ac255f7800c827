"""`trainshed runs compare`: on a terminal, in a pipe, and as CSV, JSON and Markdown, also into a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from storage.shed import Shed
from tests.app.conftest import Call
from tests.app.test_runs_command import on_a_terminal
from tests.scenes import dataset_version_of, run_of

EVIL = "evil\x1b[31m | `x`\n```"


@pytest.fixture
def two(shed: Shed) -> None:
    """Two runs with different params, code, data and settings."""
    for number, auroc in ((1, 0.7), (2, 0.8)):
        data = dataset_version_of(shed, "flights", {"a.csv": b"%d" % number})
        text = f"one\n```\nlr = {number}\nx\x1b[2J\n".encode()
        run_of(
            shed,
            params={"lr": number / 10, "same": 1},
            metrics={"test/auroc": auroc, "train/loss": 1 - auroc, "odd": number},
            dataset_version_id=data.id,
            code=str(number) * 64,
            snapshot={"files": {"pipeline.py": shed.objects.put_bytes(text)}},
            spec={"split": {"by": "time" if number == 1 else "random"}},
        )


def test_only_what_differs_is_shown_and_the_best_is_marked(call: Call, two: None) -> None:
    told = call("runs", "compare", "1", "2").out
    assert "lr" in told and "same" not in told
    assert "0.8000 ★" in told and "0.2000 ★" in told
    (odd,) = [line for line in told.splitlines() if line.startswith("odd")]
    assert "★" not in odd, "nobody knows which way is better"
    assert "split.by" in told and "flights v1 → flights v2" in told
    assert "-lr = 1" in told and "+lr = 2" in told and "\x1b" not in told


def test_every_form_holds_all_of_it(call: Call, two: None) -> None:
    rows = list(csv.reader(io.StringIO(call("runs", "compare", "1", "2", "--format", "csv").out)))
    assert rows[0] == ["kind", "name", "1", "2"]
    assert ["param", "lr", "0.1", "0.2"] in rows and ["metric", "test/auroc", "0.7", "0.8"] in rows
    assert ["setting", "split.by", "time", "random"] in rows and ["code", "pipeline.py", "", "changed"] in rows
    assert any(row[0] == "data" and row[2:] == ["", "differs"] for row in rows)
    found = json.loads(call("runs", "compare", "1", "2", "--format", "json").out)
    assert found == {k: v for k, v in call("runs", "compare", "1", "2", "--json").lines[0].items() if k != "event"}
    assert found["metrics"]["test/auroc"]["best"] == [2] and found["metrics"]["odd"]["best"] == []
    assert found["code"][0]["files"][0]["path"] == "pipeline.py"
    assert found["data"][0]["changes"] == ["1 file changed: a.csv"]
    markdown = call("runs", "compare", "1", "2", "--format", "markdown").out
    assert "**0.8000**" in markdown and "````diff" in markdown and "- 1 file changed: a.csv" in markdown
    assert "\x1b" not in markdown


@pytest.mark.parametrize(("name", "begins"), [("a.csv", "kind,name"), ("a.json", "{"), ("a.md", "|  | 1 flight")])
def test_it_is_written_to_a_file_in_the_form_that_its_name_says(
    call: Call, two: None, tmp_path: Path, name: str, begins: str
) -> None:
    done = call("runs", "compare", "1", "2", "-o", tmp_path / name)
    assert done.code == 0 and "written to" in done.out
    assert (tmp_path / name).read_text().startswith(begins)
    assert call("runs", "compare", "1", "2", "-o", tmp_path / name, "--json").lines[0]["runs"][0]["run"] == 1


def test_a_form_or_place_that_is_none_is_told(call: Call, two: None, tmp_path: Path) -> None:
    assert 'did you mean "markdown"?' in call("runs", "compare", "1", "2", "--format", "markdwn").err
    assert call("runs", "compare", "1", "2", "-o", tmp_path / "a.xls").code == 2
    assert call("runs", "compare", "1", "2", "-o", tmp_path / "nowhere" / "a.csv").code == 2
    assert call("runs", "compare", "1", "2", "-o", tmp_path / "a.txt", "--format", "csv").code == 0


def test_more_runs_than_fit_beside_each_other_are_shown_in_groups(shed: Shed) -> None:
    for number in range(12):
        run_of(shed, f"a-long-name-of-a-run-{number}", params={"n": number})
    code, told = on_a_terminal(shed, "runs", "compare", *map(str, range(1, 13)), COLUMNS="80", NO_COLOR="1")
    assert code == 0
    assert all(f"{n + 1} a-long-name-of-a-run-{n}" in told for n in range(12))
    assert max(len(line) for line in told.splitlines()) <= 80


def test_names_from_outside_stay_inert_in_every_form(call: Call, shed: Shed, tmp_path: Path) -> None:
    run_of(shed, EVIL, params={EVIL: EVIL})
    run_of(shed, EVIL, params={EVIL: "x"})
    for form in ("table", "csv", "json", "markdown"):
        assert "\x1b" not in call("runs", "compare", "1", "2", "--format", form).out
    call("runs", "compare", "1", "2", "-o", tmp_path / "a.md")
    assert "\x1b" not in (tmp_path / "a.md").read_text()
