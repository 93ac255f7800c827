"""What goes wrong on the way leaves a clear word, the right exit code, and nothing half done."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path

import numpy as np

from runners.supervision.childfile import Child
from runners.supervision.processes import Identity, alive
from storage import metrics
from storage.read import models as read_models
from storage.read import runs as read_runs
from tests.journeys.conftest import Workstation
from tests.points import SAVED, write_points
from tests.waiting import until

SLOW = (
    SAVED
    + """\
import pathlib, threading

def train(run):
    x, y = run.data.train.tensors()
    state = run.restore() or {"weights": np.zeros(x.shape[1]), "epoch": -1}
    weights = state["weights"]
    for epoch in range(state["epoch"] + 1, 40):
        run.log({"train/loss": 1.0 / (epoch + 1)}, step=epoch)
        run.checkpoint({"weights": weights, "epoch": epoch}, step=epoch)
        if epoch == 20 and not pathlib.Path("go").exists():
            run.log({"train/loss": 0.0}, step=21)          # logged, but not checkpointed: it must not come twice
            pathlib.Path("reached").touch()
            while not run.should_stop:
                threading.Event().wait(0.05)
            return None
    weights[:2] = 2, 1
    return saved(run.dir / "own.onnx", weights, 0.0)
"""
)


def child_of(workstation: Workstation) -> Identity:
    """The process that runs the user's code for run 1."""
    child = Child.read(workstation.shed.run_dir(1))
    assert child is not None
    identity = child.find()
    assert identity is not None
    return identity


def slow(tiny: Path) -> Path:
    (tiny / "pipeline.py").write_text(SLOW)
    return tiny


def test_a_killed_child_goes_on_from_its_checkpoint_without_gap_or_double(workstation: Workstation, tiny: Path) -> None:
    project = slow(tiny)
    process = workstation.start("--batch", "-p", project, "--json")
    until((project / "reached").exists)
    child = child_of(workstation)
    os.kill(child.pid, signal.SIGKILL)
    ended = workstation.ended(process)
    assert ended.code == 1
    assert "SIGKILL" in ended.finished["reason"]
    assert read_runs.run(workstation.shed, 1).status == "failed"

    (project / "go").touch()
    again = workstation.batch(project)
    assert again.code == 0, again.told
    assert again.finished["run"] == 1
    assert again.stages["prepare"] == "cached"
    series = metrics.read(workstation.shed.run_dir(1) / "metrics", "train/loss")
    assert series.step.tolist() == list(range(40))
    assert read_runs.run(workstation.shed, 1).attempt == 2


def test_a_killed_supervisor_costs_nothing(workstation: Workstation, tiny: Path) -> None:
    """The command itself is killed; its child goes on, and the same command takes it over."""
    project = slow(tiny)
    process = workstation.start("--batch", "-p", project, "--json")
    until((project / "reached").exists)
    child = child_of(workstation)
    process.kill()
    process.communicate()
    assert alive(child)
    again = workstation.start("--batch", "-p", project, "--json")
    until(lambda: read_runs.run(workstation.shed, 1).attempt == 2)
    (workstation.shed.run_dir(1) / "stop").write_text("{}")
    ended = workstation.ended(again)
    assert ended.finished["run"] == 1
    assert not alive(child)
    series = metrics.read(workstation.shed.run_dir(1) / "metrics", "train/loss")
    assert len(np.unique(series.step)) == len(series.step)


def test_ctrl_c_ends_everything_it_started(workstation: Workstation, tiny: Path) -> None:
    project = slow(tiny)
    process = workstation.start("--batch", "-p", project, "--json")
    until((project / "reached").exists)
    child = child_of(workstation)
    process.send_signal(signal.SIGINT)
    ended = workstation.ended(process)
    assert ended.code == 130
    assert ended.finished["exit_code"] == 130
    assert not alive(child)
    assert read_runs.run(workstation.shed, 1).status == "stopped"


def test_a_renamed_column_stops_the_pipeline_and_is_named(workstation: Workstation, trained: Path) -> None:
    write_points(trained / "data" / "two.csv", columns="a,bb,kind,label")
    ended = workstation.batch(trained)
    assert ended.code == 3, ended.told
    assert ended.finished["status"] == "invalid"
    assert 'column "b" is missing' in ended.told
    assert "two.csv" in ended.told
    assert read_models.row(workstation.shed, "tiny").aliases["production"] == 1


def test_a_broken_check_stops_with_count_and_rows_and_a_warning_does_not(workstation: Workstation, tiny: Path) -> None:
    text = (tiny / "data" / "one.csv").read_text()
    (tiny / "data" / "one.csv").write_text(text.replace(",x,", ",z,", 3))
    warned = workstation.batch(tiny)
    assert warned.code == 0, warned.told
    assert '"z" (3)' in warned.told
    (tiny / "data" / "one.csv").write_text(text + "99.0,1.0,x,1\n")
    stopped = workstation.batch(tiny)
    assert stopped.code == 3
    assert "a ≤ 10" in stopped.told
    assert "99.0" in stopped.told
    card = (workstation.shed.dataset_dir("points") / "card-v2.md").read_text()
    assert [line.split("|")[3].strip() for line in card.splitlines() if "a ≤ 10" in line] == ["broken"]


def test_a_projects_own_check_runs_in_the_child_and_can_stop(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace("[checks]", '[checks]\nmodule = "own:more"'))
    (tiny / "own.py").write_text(
        "def more(data):\n    yield {'check': 'too few moons', 'count': 7, 'rows': [{'moon': 1}]}\n"
    )
    ended = workstation.batch(tiny)
    assert ended.code == 3, ended.told
    assert "too few moons" in ended.told
    (tiny / "own.py").write_text("def more(data):\n    return None\n")
    assert workstation.batch(tiny).code == 0


def test_a_typo_in_the_project_file_is_placed(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace("numeric", "numric"))
    ended = workstation.batch(tiny)
    assert ended.code == 2
    assert "trainshed.toml:14" in ended.told
    assert 'did you mean "numeric"?' in ended.told
    assert ended.finished["exit_code"] == 2


def test_an_error_in_the_users_code_names_its_line(workstation: Workstation, tiny: Path) -> None:
    (tiny / "pipeline.py").write_text("def train(run):\n    return 1 / 0\n")
    ended = workstation.batch(tiny)
    assert ended.code == 1
    assert "ZeroDivisionError" in ended.told
    assert "pipeline.py:2" in ended.told


def test_nan_in_the_loss_is_told_and_refused_by_the_gate(workstation: Workstation, tiny: Path) -> None:
    code = (tiny / "pipeline.py").read_text()
    code = code.replace('"train/loss": loss', '"train/loss": np.nan if epoch == 1 else loss')
    (tiny / "pipeline.py").write_text(code)
    ended = workstation.batch(tiny)
    assert ended.code == 4, ended.told
    assert "train/loss" in ended.told
    assert "step 1" in ended.told


def test_what_is_not_a_number_stays_strict_json_all_the_way(workstation: Workstation, tiny: Path) -> None:
    own = "\ndef evaluate(predict, data):\n    return {'own/a': float('nan'), 'own/b': float('inf'), 'own/c': 0.5}\n"
    (tiny / "pipeline.py").write_text((tiny / "pipeline.py").read_text() + own)
    toml = (tiny / "trainshed.toml").read_text()
    checks = """[checks]\nsql = { nan = { query = "select a, 'nan'::double as b from data", on_fail = "warn" } }"""
    toml = toml.replace("[checks]", checks).replace('metric = "auroc"', 'metric = "own/a"')
    (tiny / "trainshed.toml").write_text(toml.replace("max_slice_drop = 0.5", ""))
    process = workstation.start("--batch", "-p", tiny, "--json")
    out, told = process.communicate(timeout=240)
    assert process.returncode == 4, told
    assert "own/a is undefined: evaluate returned nan" in told

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    texts = out.splitlines()
    texts += [path.read_text() for path in workstation.shed.root.rglob("*.json")]
    texts += [line for path in workstation.shed.root.rglob("*.jsonl") for line in path.read_text().splitlines()]
    with sqlite3.connect(workstation.shed.db) as connection:
        for table, column in (("stage", "facts"), ("model_version", "metrics"), ("decision", "evidence")):
            texts += [row[0] for row in connection.execute(f"select {column} from {table} where {column} is not null")]
    for text in texts:
        json.loads(text, parse_constant=refuse)


def test_a_half_written_parquet_file_is_named(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace("*.csv", "*.parquet"))
    (tiny / "data" / "one.parquet").write_bytes(b"PAR1 and then nothing")
    ended = workstation.batch(tiny)
    assert ended.code == 3, ended.told
    assert "one.parquet" in ended.told


def test_no_files_at_all_is_a_configuration_error(workstation: Workstation, tiny: Path) -> None:
    (tiny / "data" / "one.csv").unlink()
    ended = workstation.batch(tiny)
    assert ended.code == 2, ended.told
    assert "data/*.csv" in ended.told


def test_an_interpreter_that_is_not_there_is_told(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace('name = "tiny"', 'name = "tiny"\npython = ".venv/bin/python"'))
    ended = workstation.batch(tiny)
    assert ended.code == 2, ended.told
    assert ".venv/bin/python" in ended.told


def test_a_gate_metric_that_is_misspelt_is_told_before_anything_is_trained(
    workstation: Workstation, tiny: Path
) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace('metric = "auroc"', 'metric = "aurock"'))
    ended = workstation.batch(tiny)
    assert ended.code == 2, ended.told
    assert 'did you mean "auroc"?' in ended.told
    assert ended.stages == {}


def test_a_warning_of_the_child_is_told(workstation: Workstation, tiny: Path) -> None:
    project = slow(tiny)
    process = workstation.start("--batch", "-p", project, "--json")
    until((project / "reached").exists)
    os.kill(child_of(workstation).pid, signal.SIGKILL)
    workstation.ended(process)
    newest = max((workstation.shed.run_dir(1) / "checkpoints").glob("0*"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(b"damaged")
    (project / "go").touch()
    ended = workstation.batch(project)
    assert ended.code == 0, ended.told
    assert any(line["event"] == "warning" and "checkpoint" in line["text"] for line in ended.lines), ended.told
