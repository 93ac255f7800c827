from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.batch import STAGES, Told, assignment
from app.output import Output
from app.views.progress import LiveView, PlainView, run_line
from runners.actions.pipelines import STAGE_NAMES, Finished
from runners.actions.projects import KINDS
from storage.errors import UsageError
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from tests.app.conftest import Call

ROOT = Path(__file__).parents[2]
EVENTS: list[dict[str, Any]] = [
    {"event": "run", "run": 12, "name": "flight-delay", "dataset": "flights v1", "resumed": True, "attempt": 2},
    {"event": "stage", "stage": "validate", "status": "running"},
    {"event": "stage", "stage": "validate", "status": "done", "seconds": 0.2, "text": "12 checks hold"},
    {"event": "stage", "stage": "prepare", "status": "cached", "cached_from": 11, "text": "219,910 rows"},
    {"event": "stage", "stage": "train", "status": "running"},
    *({"event": "progress", "stage": "train", "share": i / 50, "text": f"epoch {i}/50"} for i in range(51)),
    {
        "event": "progress",
        "stage": "train",
        "share": None,
        "text": "",
        "metrics": {"val/auroc": float("nan"), "x": None},
    },
    {"event": "warning", "text": "train/loss is nan at step 3\x1b[31m"},
    {"event": "stage", "stage": "train", "status": "failed", "text": "boom\nand more"},
    {"event": "table", "title": "metrics", "columns": ["metric", "test"], "rows": [["auroc", 0.7], ["x", None]]},
    {"event": "error", "message": "boom\nand more", "place": "pipeline.py:3", "expected": "", "todo": "see the log"},
    {"event": "something new", "whatever": [1]},
]
FAILED = Finished("failed", 1, 12, None, "boom")


def test_the_stages_are_those_of_the_pipeline() -> None:
    assert list(STAGES) == STAGE_NAMES


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lr=1e-3", 1e-3), ("lr=.5", 0.5), ("n=12", 12), ("n=1_000", 1000), ("on=true", True), ('s="x y"', "x y"),
        ("s=plain words", "plain words"), ("l=[1, 2]", [1, 2]), ("s=a=b", "a=b"), ("s=", ""),
        ("d=2013-01-01", "2013-01-01"), ("s=1\nother = 2", "1\nother = 2"), ("t={a=1}", "{a=1}"), ("s='x", "'x"),
    ],
)  # fmt: skip
def test_set_reads_values_as_toml_or_plain_text(text: str, value: object) -> None:
    assert assignment(text)[1] == value
    assert type(assignment(text)[1]) is type(value)


@pytest.mark.parametrize("text", ["lr", "=1", " =1"])
def test_set_without_name_or_value_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        assignment(text)


def told_by(out: Output, view: PlainView | LiveView) -> None:
    told = Told(out)
    with view:
        for event in EVENTS:
            told.take(event, view)
    told.conclude(FAILED)
    out.finished(FAILED.exit_code)


def test_in_a_pipe_each_event_worth_it_is_one_line() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(stdout=stdout, stderr=stderr)
    told_by(out, PlainView(out))
    lines = stdout.getvalue().splitlines()
    assert lines[:5] == [
        "run 12  flight-delay  on flights v1  taken up again, attempt 2",
        "validate: running",
        "validate: 200 ms  12 checks hold",
        "prepare: cached from run 11  219,910 rows",
        "train: running",
    ]
    assert sum(line.startswith("train:") and "epoch" in line for line in lines) <= 1
    assert "train: failed  boom" in lines
    assert "auroc   0.7000" in lines
    assert lines[-2:] == ["  trainshed runs show 12", "  trainshed runs logs 12"]
    assert stderr.getvalue() == (
        "warning: train/loss is nan at step 3\\x1b[31m\nerror: pipeline.py:3: boom\nand more\n  next: see the log\n"
    )


def test_with_json_programs_get_every_event_and_people_read_stderr() -> None:
    import json

    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(json_lines=True, stdout=stdout, stderr=stderr)
    told_by(out, PlainView(out))
    lines = [json.loads(line) for line in stdout.getvalue().splitlines()]
    assert [line["event"] for line in lines[:-1]] == [event["event"] for event in EVENTS]
    assert lines[-1] == {
        "event": "finished", "status": "failed", "exit_code": 1, "run": 12, "model": None, "reason": "boom",
        "message": "boom\nand more", "place": "pipeline.py:3", "expected": "", "todo": "see the log",
    }  # fmt: skip
    assert "validate: 200 ms" in stderr.getvalue() and "auroc   0.7000" in stderr.getvalue()


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def test_a_terminal_without_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "vt100")
    monkeypatch.setenv("NO_COLOR", "1")
    stdout = Terminal()
    out = Output(stdout=stdout, stderr=io.StringIO())
    told_by(out, LiveView(out, STAGES))
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stdout.getvalue())
    assert " + validate" in written and " x train" in written and " . gate" in written
    assert "\\x1b[31m" in written  # of the warning
    written.encode("ascii")


@pytest.mark.parametrize("template", KINDS)
def test_every_template_goes_to_production(template: str, call: Call, shed: Shed, tmp_path: Path) -> None:
    project = tmp_path / template
    assert call("init", project, "--template", template).code == 0
    ended = call("--batch", "-p", project, "--json", "--tag", "first", "--name", "demo")
    assert ended.code == 0, ended.err
    assert (ended.finished["status"], ended.finished["run"]) == ("done", 1)
    assert ended.finished["model"] == f"{template} v1"
    assert read_models.row(shed, template).aliases == {"candidate": 1, "production": 1}
    assert call("runs", "list", "tag=first", "name=demo", "--json").finished["runs"] == 1
    assert call("models", "verify", template).code == 0
    assert "the gate's rules" in ended.err and "trainshed models show" in ended.err


def test_a_project_made_of_own_data_trains(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    rows = [f"{i % 17},{'abc'[i % 3]},{(i % 17) * 2.5 + 10 * (i % 3) + 0.25}" for i in range(400)]
    (folder / "points.csv").write_text("\n".join(["size,kind,price", *rows]) + "\n")
    made = call("init", folder, "--json").finished
    assert (made["target"], made["task"]) == ("price", "regression")
    ended = call("--batch", "-p", folder, "--set", "epochs=60", "--set", "lr=1e-2", "--json")
    assert ended.code == 0, ended.err


def test_usage_errors_of_a_batch_start_nothing(call: Call, tmp_path: Path) -> None:
    call("init", tmp_path / "p")
    wrong = (["--set", "lr"], ["--set", "nosuch=1"], ["--set", "epochs=many"], ["--tag", "a/b"], ["--until", "trian"])
    for args in wrong:
        ended = call("--batch", "-p", tmp_path / "p", *args, "--json")
        assert (ended.code, ended.finished["run"]) == (2, None), args
    assert 'did you mean "train"?' in ended.err
    assert call("runs", "list", "--json").finished["total"] == 0
    assert call("--batch", "--json").code == 2


def test_a_reader_that_goes_away_does_not_stop_the_run(call: Call, shed: Shed, tmp_path: Path) -> None:
    call("init", tmp_path / "table")
    told = subprocess.run(
        f"{sys.executable} -m app.cli --shed {shed.root} --batch -p {tmp_path}/table --until prepare | head -1;"
        " echo ${PIPESTATUS[0]}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert told.stdout.splitlines() == ["run 1  table  on table v1", "0"], told.stderr
    assert [stage.status for stage in read_runs.stages(shed, 1)] == ["done", "done"]


def test_a_run_that_names_no_dataset_yet_is_told_without_one() -> None:
    assert run_line({"event": "run", "run": 5, "name": "flight-delay"}) == "run 5  flight-delay"
