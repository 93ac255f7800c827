"""A sweep goes on step by step; when its process is killed between two writes, the next one loses nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runners.agency import requests
from runners.agency.home import Home
from runners.sweeps.advancing import Advance
from runners.sweeps.frozen import Frozen, Orders
from runners.userside.series import Writer
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.read import sweeps as read_sweeps
from storage.read.sweeps import TrialRow
from storage.shed import open_shed
from storage.tables import Run, Sweep
from storage.write import queue as write_queue
from storage.write import runs as write_runs
from storage.write import sweeps as write_sweeps
from storage.write.runs import NewRun
from tests.runners.sweeps.test_study import search

SPEC: dict[str, Any] = {
    "project": {"name": "p"},
    "dataset": {"name": "d", "files": "data/*.csv"},
    "train": {"entry": "pipeline:train", "params": {"lr": 0.01, "width": 32}},
}


class Stage:
    """A sweep, the process that carries it out (anew at will), and runs that do what the test says."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.shed = open_shed(folder / "shed")
        self.told: list[str] = []
        base = NewRun("p", "p", "/p", "i", "c", SPEC, {"files": {}, "executables": []}, {"lr": 0.01, "width": 32})
        orders = Orders(search(**{"trials": 4, **changes}), Frozen(base, "content"))
        self.request = requests.of_pipeline(orders.identity, {"FLAVOUR": "lemon"})
        digest = requests.keep(Home(self.shed), self.request)
        self.orders = Orders(orders.search, orders.frozen, digest)
        self.id = (
            write_sweeps.create(self.shed, name="hill", project="p", project_dir="/p", plan=self.orders.to_json()).id
            or 0
        )
        (self.shed.sweep_dir(self.id) / "environment.json").write_text("{}")
        self.advance = self.fresh()

    def fresh(self) -> Advance:
        return Advance(self.shed, self.sweep, self.orders, self.request, self.told.append)

    def killed(self) -> None:
        """The process is gone; another one takes over."""
        self.advance.close()
        self.advance = self.fresh()

    def tick(self) -> bool:
        return self.advance.tick()

    @property
    def sweep(self) -> Sweep:
        return read_sweeps.sweep(self.shed, self.id)

    @property
    def trials(self) -> list[tuple[str, float | None]]:
        return [(row.trial.status, row.trial.value) for row in read_sweeps.trials(self.shed, self.id)]

    def run(self, run_id: int) -> Run:
        return read_runs.run(self.shed, run_id)

    def begins(self, run_id: int) -> None:
        write_queue.granted(self.shed, run_id, {}, ("cpu0",), 1.0)

    def logs(self, run_id: int, *values: float, name: str = "val/score") -> None:
        writer = Writer(str(self.shed.run_dir(run_id) / "metrics"), keep=True)
        for step, value in enumerate(values, start=1):
            writer.log({name: value}, 10 * step)
        writer.close()

    def ends(self, run_id: int, status: str = "done", reason: str = "", *, ending: str = "") -> None:
        write_runs.finish(self.shed, run_id, status, int(status != "done"), reason, ending=ending)

    def does(self, run_id: int, *values: float) -> None:
        """A run from its start to its end."""
        self.begins(run_id)
        self.logs(run_id, *values)
        self.ends(run_id)

    def asked_to_stop(self, run_id: int) -> str:
        path = self.shed.run_dir(run_id) / "stop"
        return str(json.loads(path.read_bytes())["reason"]) if path.exists() else ""


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    stages: list[Stage] = []

    def make(**changes: Any) -> Stage:
        stages.append(Stage(tmp_path, **changes))
        return stages[-1]

    yield make
    for stage in stages:
        stage.advance.close()
        stage.shed.close()


def test_as_many_trials_are_queued_as_may_go_at_once_each_a_run_of_the_frozen_project(
    staged: Callable[..., Stage],
) -> None:
    stage = staged(usual={"lr": 0.01, "width": 32})
    assert stage.tick()
    assert stage.trials == [("queued", None), ("queued", None)]
    run = stage.run(1)
    assert (run.name, run.until, run.sweep_id, run.trial) == ("hill/0", "train", stage.id, 0)
    assert run.spec["train"]["params"] == {"lr": 0.01, "width": 32}
    assert stage.run(2).spec["train"]["params"] != run.spec["train"]["params"]
    assert stage.run(2).identity != run.identity
    assert read_runs.row(stage.shed, 1).tags == [f"sweep-{stage.id}"]
    assert (stage.shed.run_dir(1) / "environment.json").exists()
    entry = read_queue.entry(stage.shed, 1)
    assert entry is not None
    asked = requests.find(Home(stage.shed), entry.queued.request)
    assert (asked.identity, asked.env) == (run.identity, {"FLAVOUR": "lemon"})
    assert stage.tick()
    assert len(stage.trials) == 2


def test_a_sweep_ends_with_its_best_trial_named(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    for run_id, value in ((1, 0.25), (2, 0.75), (3, 0.5)):
        stage.does(run_id, value)
        assert stage.tick()
    stage.does(4, 0.125)
    assert not stage.tick()
    assert stage.trials == [("done", 0.25), ("done", 0.75), ("done", 0.5), ("done", 0.125)]
    assert (stage.sweep.status, stage.sweep.best_trial) == ("done", 1)
    assert stage.sweep.reason == "trial 1 is best with val/score 0.75"
    assert list((stage.shed.root.parent / "state").glob("trainshed/agents/*/requests/*")) != []
    with pytest.raises(Exception, match="no such request"):
        requests.find(Home(stage.shed), stage.orders.request)


def test_the_best_goes_on_through_the_gate_where_that_was_asked(staged: Callable[..., Stage]) -> None:
    stage = staged(finish="best", trials=2)
    stage.tick()
    stage.does(1, 0.25)
    stage.does(2, 0.75)
    assert not stage.tick()
    final = stage.run(stage.sweep.plan["final_run"])
    assert (final.name, final.until, final.status, final.trial) == ("hill/best", None, "queued", 1)
    assert final.spec["train"]["params"] == stage.run(2).spec["train"]["params"]
    stage.killed()
    assert not stage.tick()
    assert read_runs.count(stage.shed) == 3


def test_a_trial_that_does_worse_is_stopped_and_makes_room(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.does(1, 0.5, 0.5, 0.5)
    stage.begins(2)
    stage.logs(2, 0.25)
    assert stage.tick()
    assert stage.trials[:2] == [("done", 0.5), ("pruned", 0.25)]
    assert stage.asked_to_stop(2) == f"pruned by sweep {stage.id} at step 10"
    assert len(stage.trials) == 4
    stage.ends(2, "stopped", "pruned", ending="stopped")
    stage.tick()
    assert stage.trials[1] == ("pruned", 0.25)


def test_a_stop_that_was_lost_is_asked_again(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.does(1, 0.5)
    stage.begins(2)
    stage.logs(2, 0.25)
    stage.tick()
    (stage.shed.run_dir(2) / "stop").unlink()
    stage.killed()
    stage.tick()
    assert stage.asked_to_stop(2)


def test_a_run_that_has_ended_is_pruned_no_more(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.does(1, 0.5, 0.5)
    stage.does(2, 0.25, 0.25)
    stage.tick()
    assert stage.trials[:2] == [("done", 0.5), ("done", 0.25)]


def test_a_run_that_is_nearly_through_is_let_through(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.does(1, 0.5, 0.5)
    stage.begins(2)
    told = [{"event": "progress", "share": 0.5}, {"event": "progress", "share": 0.95}, {"event": "note", "text": "x"}]
    events = stage.shed.run_dir(2) / "pipeline.jsonl"
    events.write_text("".join(json.dumps(event) + "\n" for event in told))
    stage.logs(2, 0.25)
    stage.tick()
    assert stage.trials[1] == ("running", None)


def test_the_sweep_ends_only_after_its_runs(staged: Callable[..., Stage]) -> None:
    stage = staged(trials=2)
    stage.tick()
    stage.does(1, 0.5)
    stage.begins(2)
    stage.logs(2, 0.25)
    assert stage.tick()
    assert stage.sweep.status == "running"
    stage.ends(2, "stopped", ending="stopped")
    assert not stage.tick()
    assert stage.sweep.status == "done"


class EndsMeanwhile(Advance):
    """A step during which a run ends, after it was looked at."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def _begin_what_may(self, rows: list[TrialRow]) -> None:
        super()._begin_what_may(rows)
        self.meanwhile()


def test_a_run_that_ends_while_others_are_looked_at_is_seen_in_the_next_step(staged: Callable[..., Stage]) -> None:
    stage = staged(trials=2, parallel=1)
    stage.tick()
    stage.advance.close()
    advance = EndsMeanwhile(stage.shed, stage.sweep, stage.orders, stage.request, stage.told.append)
    stage.advance = advance
    for run_id, value in ((1, 0.25), (2, 0.75)):
        advance.meanwhile = partial(stage.does, run_id, value)
        assert stage.tick()
        advance.meanwhile = lambda: None
        assert stage.tick() is (run_id == 1)
    assert stage.trials == [("done", 0.25), ("done", 0.75)]


def test_killed_between_telling_the_study_and_the_row(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.begins(1)
    stage.logs(1, 0.5, 0.75)
    stage.advance.study.report(0, 1, 0.5)
    stage.advance.study.pruned(0)
    stage.does(2, 0.25, 0.125)
    stage.advance.study.done(1, 0.125)
    stage.killed()
    stage.tick()
    rows = read_sweeps.trials(stage.shed, stage.id)
    assert [(row.trial.status, row.trial.value, row.trial.last_step) for row in rows[:2]] == [
        ("pruned", 0.5, 10),
        ("done", 0.125, 20),
    ]
    stage.tick()
    assert stage.asked_to_stop(1) == f"pruned by sweep {stage.id} at step 10"


def test_killed_between_drawing_and_queueing(staged: Callable[..., Stage]) -> None:
    stage = staged()
    draw = stage.advance.study.ask()
    stage.killed()
    assert stage.run(1).spec["train"]["params"] == draw.params
    stage.tick()
    assert len(stage.trials) == 2


def test_killed_in_mid_drawing(staged: Callable[..., Stage]) -> None:
    stage = staged(trials=2)
    stage.advance.study.ask()
    stage.advance.close()
    journal = stage.shed.sweep_dir(stage.id) / "study.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    stage.advance = stage.fresh()
    stage.tick()
    assert [run.run.trial for run in read_runs.page(stage.shed, sort="id")] == [1, 2]
    for run_id in (1, 2):
        stage.does(run_id, 0.5)
    assert not stage.tick()
    assert stage.sweep.reason == "trial 1 is best with val/score 0.5"


def test_points_are_reported_once(staged: Callable[..., Stage]) -> None:
    stage = staged(pruner="none")
    stage.tick()
    stage.begins(1)
    stage.logs(1, 0.5, 0.25)
    stage.tick()
    stage.killed()
    stage.tick()
    journal = (stage.shed.sweep_dir(stage.id) / "study.jsonl").read_text()
    assert journal.count('"intermediate_value"') == 2


def test_failed_runs_are_failed_trials(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.begins(1)
    stage.ends(1, "failed", "exit code 1\n  next: look", ending="exit")
    stage.begins(2)
    stage.logs(2, 1.0, name="train/loss")
    stage.ends(2)
    stage.tick()
    assert [status for status, _ in stage.trials] == ["failed", "failed", "queued", "queued"]
    assert any("trial 0 failed: exit code 1" in line for line in stage.told)
    assert any("it logged no val/score, but train/loss" in line for line in stage.told)


def test_a_sweep_whose_first_trials_all_fail_gives_up(staged: Callable[..., Stage]) -> None:
    stage = staged(trials=20)
    stage.tick()
    for run_id in (1, 2):
        stage.begins(run_id)
        stage.ends(run_id, "failed", "no such module", ending="exit")
    stage.tick()
    stage.begins(3)
    stage.ends(3, "failed", "no such module", ending="exit")
    stage.begins(4)
    assert stage.tick()
    assert stage.asked_to_stop(4)
    stage.ends(4, "stopped", ending="stopped")
    assert not stage.tick()
    assert stage.sweep.status == "failed"
    assert stage.sweep.reason == "the first 3 trials failed; the last: no such module"


def test_a_run_that_a_reboot_interrupted_goes_on(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.begins(1)
    stage.ends(1, "failed", "interrupted by a reboot", ending="reboot")
    stage.tick()
    assert stage.run(1).status == "queued"
    assert stage.trials[0] == ("queued", None)


def test_what_was_stopped_with_the_sweep_goes_on_with_it(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    stage.does(1, 0.5)
    stage.tick()
    stage.begins(2)
    assert write_sweeps.stop(stage.shed, stage.id, "stopped by ana") == [2, 3]
    assert stage.tick()
    assert stage.run(3).status == "stopped"
    assert stage.asked_to_stop(2)
    stage.ends(2, "stopped", "stopped by ana", ending="stopped")
    assert not stage.tick()
    assert [status for status, _ in stage.trials] == ["done", "stopped", "stopped"]
    write_sweeps.resume(stage.shed, stage.id, stage.orders.to_json())
    stage.killed()
    stage.tick()
    assert [stage.run(run_id).status for run_id in (2, 3)] == ["queued", "queued"]
    assert [status for status, _ in stage.trials] == ["done", "queued", "queued"]


def test_other_orders_end_the_process_that_has_the_old_ones(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    write_sweeps.stop(stage.shed, stage.id, "stopped by ana")
    write_sweeps.resume(stage.shed, stage.id, {**stage.orders.to_json(), "request": "another"})
    assert not stage.tick()
    assert stage.sweep.status == "running"


def test_no_trial_begins_after_the_time_is_up(staged: Callable[..., Stage]) -> None:
    stage = staged(ends_at=time.time() + 1000)
    stage.tick()
    stage.begins(1)
    stage.logs(1, 0.5)
    object.__setattr__(stage.advance.search, "ends_at", time.time() - 1)
    assert stage.tick()
    assert [status for status, _ in stage.trials] == ["running", "stopped"]
    stage.ends(1)
    assert not stage.tick()
    assert (stage.sweep.status, stage.sweep.best_trial) == ("done", 0)


def test_a_run_that_was_removed_is_a_failed_trial(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.tick()
    write_queue.call_off(stage.shed, 1, "by hand")
    write_runs.remove(stage.shed, 1)
    stage.tick()
    assert stage.trials[0] == ("failed", None)
