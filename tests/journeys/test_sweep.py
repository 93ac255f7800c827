"""A sweep from the command line: frozen when it starts, carried out by the agent, stopped, resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import metrics
from storage.read import runs as read_runs
from storage.read import sweeps as read_sweeps
from storage.read.sweeps import TrialRow
from storage.tables import Sweep
from tests.journeys.conftest import Workstation
from tests.waiting import until

TOML = """\
[project]
name = "hill"
[dataset]
name = "stones"
files = "data/*.csv"
[train]
entry = "pipeline:train"
gpus = 0
[train.params]
height = 0.5
slope = 2.0
steps = 6
pause = 0.05
[sweep]
metric = "val/score"
direction = "maximize"
sampler = "random"
trials = 8
[sweep.space]
height = { low = 0.0, high = 1.0 }
slope = [1.0, 2.0, 3.0]
"""
PIPELINE = """\
import threading

def train(run):
    state = run.restore()
    for step in range(state["step"] + 1 if state else 1, run.params.steps + 1):
        if run.should_stop:
            raise SystemExit(1)
        run.log({"val/score": run.params.height * (1 - 0.5 ** step)}, step=10 * step)
        run.checkpoint({"step": step}, step=10 * step)
        threading.Event().wait(run.params.pause)
"""
ENDED = ("done", "failed", "stopped")


@pytest.fixture
def hill(tmp_path: Path) -> Path:
    """A project whose best params are known: the height, and nothing else, is the score."""
    project = tmp_path / "hill"
    (project / "data").mkdir(parents=True)
    (project / "data" / "one.csv").write_text("x\n1\n2\n")
    (project / "trainshed.toml").write_text(TOML)
    (project / "pipeline.py").write_text(PIPELINE)
    return project


def started(workstation: Workstation, project: Path, *options: str) -> int:
    ended = workstation.type("sweep", "start", "-p", project, *options)
    assert ended.code == 0, ended.told
    return int(ended.finished["sweep"])


def waited(workstation: Workstation, sweep_id: int, timeout: float = 120) -> Sweep:
    shed = workstation.shed

    def ended() -> Sweep | None:
        sweep = read_sweeps.sweep(shed, sweep_id)
        return sweep if sweep.status in ENDED else None

    return until(ended, timeout)


def rows(workstation: Workstation, sweep_id: int) -> list[TrialRow]:
    return read_sweeps.trials(workstation.shed, sweep_id)


def logged(workstation: Workstation, run_id: int) -> list[int]:
    found: list[int] = metrics.read(workstation.shed.run_dir(run_id) / "metrics", "val/score").step.tolist()
    return found


def test_a_sweep_in_parallel_slots_prunes_what_does_worse_and_finds_what_is_best(
    workstation: Workstation, hill: Path
) -> None:
    workstation.slots(2)
    sweep_id = started(workstation, hill, "--set", "steps=12")
    (hill / "pipeline.py").write_text("raise SystemExit('edited after the start')")
    (hill / "data" / "one.csv").write_text("x\nbroken\n")
    sweep = waited(workstation, sweep_id)
    assert sweep.status == "done", sweep.reason
    trials = rows(workstation, sweep_id)
    assert len(trials) == 8
    assert trials[0].trial.params == {"height": 0.5, "slope": 2.0}
    done = [row.trial for row in trials if row.trial.status == "done"]
    pruned = [row for row in trials if row.trial.status == "pruned"]
    assert len(done) + len(pruned) == 8
    assert pruned
    best = max(done, key=lambda trial: trial.value or 0.0)
    assert (sweep.best_trial, best.params["height"]) == (best.number, max(t.params["height"] for t in done))
    for row in pruned:
        run = workstation.run(row.run.id if row.run else 0)
        assert (run.status, run.ending) == ("stopped", "stopped")
        assert run.reason == f"pruned by sweep {sweep_id} at step {row.trial.last_step}"
        assert len(logged(workstation, run.id or 0)) < 12
    assert {device for run in read_runs.page(workstation.shed) for device in run.run.devices} == {"cpu0", "cpu1"}
    requests = (workstation.folder / "state").glob("trainshed/agents/*/requests/*")
    assert list(requests) == []
    shown = workstation.type("sweep", "show", str(sweep_id))
    told = {line["trial"]: line for line in shown.lines if line["event"] == "trial"}
    assert [number for number, trial in told.items() if trial["best"]] == [sweep.best_trial]
    assert shown.lines[0]["counts"] == {"done": len(done), "pruned": len(pruned)}
    listed = workstation.type("sweep", "list", "-p", hill)
    assert listed.lines[0]["best"]["value"] == best.value


def test_it_is_followed_to_its_end_with_its_own_exit_code(workstation: Workstation, hill: Path) -> None:
    ended = workstation.type("sweep", "start", "-p", hill, "--trials", "2", "--pruner", "none", "--follow")
    assert ended.code == 0, ended.told
    assert ended.finished["status"] == "done"
    statuses = [line["status"] for line in ended.lines if line["event"] == "trial" and line["trial"] == 1]
    assert statuses[-1] == "done"


def test_a_grid_tries_each_point_once(workstation: Workstation, hill: Path) -> None:
    text = TOML.replace("{ low = 0.0, high = 1.0 }", "[0.25, 0.75]")
    (hill / "trainshed.toml").write_text(text)
    options = ("--sampler", "grid", "--pruner", "none", "--set", "steps=1", "--set", "pause=0.0")
    sweep = waited(workstation, started(workstation, hill, *options))
    points = [(row.trial.params["height"], row.trial.params["slope"]) for row in rows(workstation, sweep.id or 0)]
    assert sorted(points) == [(height, slope) for height in (0.25, 0.75) for slope in (1.0, 2.0, 3.0)]


def test_a_sweep_whose_code_cannot_run_gives_up_and_says_why(workstation: Workstation, hill: Path) -> None:
    (hill / "pipeline.py").write_text("def train(run):\n    raise ValueError('no stones')\n")
    sweep_id = started(workstation, hill)
    sweep = waited(workstation, sweep_id)
    assert sweep.status == "failed"
    assert "the first 3 trials failed" in sweep.reason
    assert "no stones" in sweep.reason
    assert len(rows(workstation, sweep_id)) <= 4
    shown = workstation.type("sweep", "show", str(sweep_id))
    assert "no stones" in next(line["reason"] for line in shown.lines if line["event"] == "trial")


def test_a_stopped_sweep_goes_on_with_its_trials_from_their_checkpoints(workstation: Workstation, hill: Path) -> None:
    workstation.slots(2)
    (hill / "trainshed.toml").write_text(TOML.replace("pause = 0.05", "pause = 0.3"))
    sweep_id = started(workstation, hill, "--trials", "3", "--pruner", "none")
    until(lambda: len(logged(workstation, 2)) >= 2, 60)
    ended = workstation.type("sweep", "stop", str(sweep_id))
    assert ended.code == 0, ended.told
    assert sorted(ended.finished["stopped"]) == [1, 2]
    for run_id in (1, 2):
        assert workstation.wait(run_id).status == "stopped"
    assert [row.trial.status for row in rows(workstation, sweep_id)] == ["stopped", "stopped"]
    assert workstation.type("sweep", "stop", str(sweep_id)).code == 2
    assert workstation.type("sweep", "resume", str(sweep_id)).code == 0
    sweep = waited(workstation, sweep_id)
    assert sweep.status == "done", sweep.reason
    assert [row.trial.status for row in rows(workstation, sweep_id)] == ["done"] * 3
    assert workstation.run(1).attempt == 2
    assert logged(workstation, 1) == [10, 20, 30, 40, 50, 60]
    more = workstation.type("sweep", "resume", str(sweep_id), "--trials", "4", "--follow")
    assert more.code == 0, more.told
    assert len(rows(workstation, sweep_id)) == 4


def test_the_best_trial_goes_to_production_where_that_was_asked(workstation: Workstation, tiny: Path) -> None:
    sweep = '\n[sweep]\nmetric = "test/auroc"\nfinish = "best"\ntrials = 2\n[sweep.space]\nsign = [1.0, -1.0]\n'
    with (tiny / "trainshed.toml").open("a") as file:
        file.write(sweep)
    ended = waited(workstation, started(workstation, tiny, "--sampler", "grid", "--set", "epochs=1"))
    assert ended.status == "done", ended.reason
    final = workstation.wait(int(ended.plan["final_run"]))
    assert (final.status, final.name) == ("done", f"sweep-{ended.id}/best")
    assert "is in production" in final.reason
    stages = {stage.name: stage.status for stage in read_runs.stages(workstation.shed, final.id or 0)}
    assert (stages["train"], stages["gate"]) == ("cached", "done")


def test_what_cannot_be_meant_is_refused(workstation: Workstation, hill: Path) -> None:
    for words in (["show", "7"], ["show", "seven"], ["stop", "7"], ["resume", "7"]):
        assert workstation.type("sweep", *words).code == 2
    (hill / "trainshed.toml").write_text(TOML.split("[sweep]")[0])
    ended = workstation.type("sweep", "start", "-p", hill)
    assert (ended.code, ended.finished["message"]) == (2, "the project has no [sweep]")
    assert workstation.agent() is None
