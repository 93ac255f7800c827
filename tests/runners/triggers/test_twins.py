"""Triggers of one project that notice the same: one run at a time, and none that learns what another has learnt."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.agency.home import Home
from runners.triggers import acting, orders
from runners.triggers.orders import Orders
from storage.project import load_project
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed, open_shed
from storage.tables import Firing, Trigger
from storage.write import runs as write_runs
from storage.write import triggers as write_triggers
from tests.runners.triggers.watched import PROJECT

TRIGGERS = '[[trigger]]\non = "new-data"\n[[trigger]]\non = "schedule"\ncron = "0 6 * * *"\n'


class Project:
    """A project with two triggers, which are carried out by hand."""

    def __init__(self, shed: Shed, folder: Path) -> None:
        self.shed, self.folder = shed, folder
        (folder / "data").mkdir(parents=True)
        (folder / "m.py").write_text("def f(run):\n    return None\n")
        (folder / "trainshed.toml").write_text(PROJECT + TRIGGERS)
        self.drop("one.csv")
        self.triggers: dict[str, tuple[Trigger, Orders]] = {}
        for spec in load_project(folder).trigger:
            given = Orders(folder, spec, {})
            trigger, _ = write_triggers.register(
                shed, name=spec.called, project="delays", project_dir=str(folder), kind=spec.on, spec={},
                request=orders.keep(Home(shed), given),
            )  # fmt: skip
            self.triggers[spec.called] = trigger, given

    def drop(self, name: str) -> None:
        (self.folder / "data" / name).write_text(f"a,b\n1,{name}\n")

    def notice(self, name: str, key: str = "it") -> int:
        trigger, _ = self.triggers[name]
        firing = write_triggers.notice(
            self.shed, trigger.id or 0, key, decision="retrain", why=f"{name} noticed {key}", evidence={}
        )
        assert firing is not None
        return firing.id or 0

    def firing(self, firing_id: int) -> Firing:
        return read_triggers.firing(self.shed, firing_id).firing

    def go_on(self, firing_id: int) -> Firing:
        """What the process that watches does whenever something changed."""
        row = read_triggers.firing(self.shed, firing_id)
        trigger, given = self.triggers[row.trigger.name]
        if row.firing.status == "queued":
            acting.settle(self.shed, trigger, given, row.firing)
        else:
            acting.carry_out(self.shed, trigger, given, row.firing)
        return self.firing(firing_id)

    def end(self, run_id: int | None, status: str = "done") -> None:
        write_runs.finish(self.shed, run_id or 0, status, 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Project(open_shed(tmp_path / "shed"), tmp_path / "project")


def test_the_second_of_two_waits_and_then_joins_the_run_that_learnt_the_same(project: Project) -> None:
    first, second = project.notice("new-data"), project.notice("schedule")
    run = project.go_on(first).run_id
    for _ in range(3):
        assert project.go_on(second).status == "seen"
    assert project.firing(second).why == f"schedule noticed it; waits for run {run}, which new-data set off"
    project.end(run)
    assert project.go_on(first).status == "done"
    joined = project.go_on(second)
    assert joined.run_id == run and joined.why.endswith(f"; joins run {run}, which learns from the same")
    assert project.go_on(second).outcome == f"run {run} is done, production did not change"
    assert read_runs.count(project.shed, "") == 1


def test_the_second_has_a_run_of_its_own_where_there_is_more_to_learn(project: Project) -> None:
    first, second = project.notice("new-data"), project.notice("schedule")
    run = project.go_on(first).run_id
    project.go_on(second)
    project.drop("two.csv")
    project.end(run)
    other = project.go_on(second).run_id
    assert other not in (None, run) and "joins" not in project.firing(second).why


def test_a_run_that_failed_is_joined_by_nobody(project: Project) -> None:
    first, second = project.notice("new-data"), project.notice("schedule")
    run = project.go_on(first).run_id
    project.go_on(second)
    project.end(run, "failed")
    assert project.go_on(second).run_id != run


def test_a_schedule_runs_again_although_nothing_changed_since_the_last_time(project: Project) -> None:
    run = project.go_on(project.notice("schedule", "monday")).run_id
    project.end(run)
    assert project.go_on(project.notice("schedule", "tuesday")).run_id != run


def test_new_data_that_a_schedule_has_learnt_before_is_not_learnt_again(project: Project) -> None:
    run = project.go_on(project.notice("schedule")).run_id
    project.end(run)
    assert project.go_on(project.notice("new-data")).run_id == run


def test_what_a_person_fires_joins_a_run_that_is_at_work_and_no_other(project: Project) -> None:
    trigger, given = project.triggers["schedule"]
    launched: list[int | None] = []
    for turn in range(3):
        if turn == 2:
            project.end(launched[0])
        firing = project.firing(project.notice("schedule", f"{acting.BY_HAND} {turn}"))
        run = acting.launch(project.shed, trigger, given, firing)
        assert run is not None
        launched.append(run.id)
    assert launched[0] == launched[1] != launched[2]
