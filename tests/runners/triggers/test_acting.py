"""A firing is carried out once, however often its process is killed on the way; and says how far values have moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import datasets, runs
from runners.triggers import acting
from runners.triggers.orders import Orders
from storage.project import load_project
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed, open_shed
from storage.tables import Firing, ModelVersion, Trigger
from storage.write import triggers as write_triggers
from tests import logged

NEW_DATA = '[[trigger]]\non = "new-data"\n'


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_shed(tmp_path / "shed")


def seen(shed: Shed, folder: Path, *, farther: float) -> tuple[Trigger, Orders, Firing]:
    """New rows came since production was trained; they were noticed, and nothing was done yet."""
    version = logged.trained(shed, folder)
    (folder / "m.py").write_text("def f(run):\n    return None\n")
    (folder / "trainshed.toml").write_text(logged.TOML + NEW_DATA)
    logged.write_parquet(folder / "data" / "one.parquet", logged.records(300, seed=1))
    project = load_project(folder)
    before = datasets.add_for_project(shed, folder, project)
    with shed.writing("test", "model") as write:
        row = write.session.get_one(ModelVersion, version.id)
        row.dataset_version_id = before.version.id
        write.session.add(row)
    logged.write_parquet(folder / "data" / "two.parquet", logged.records(600, seed=7, farther=farther))
    after = datasets.add_for_project(shed, folder, project)
    trigger, _ = write_triggers.register(
        shed, name="new-data", project="delays", project_dir=str(folder), kind="new-data", spec={}, request="r"
    )
    firing = write_triggers.notice(
        shed, trigger.id or 0, after.version.content, decision="retrain", why="data/two.parquet added, +600 rows",
        evidence={}, version_id=after.version.id,
    )  # fmt: skip
    assert firing is not None
    return trigger, Orders(folder, project.trigger[0], {}), firing


def test_a_process_killed_between_seeing_and_queueing_leaves_one_run(shed: Shed, tmp_path: Path) -> None:
    trigger, orders, firing = seen(shed, tmp_path / "project", farther=0.0)
    for _ in range(3):  # each is another process, which finds the firing as it was when it looked
        acting.carry_out(shed, trigger, orders, firing)
    acting.measure(shed, orders, firing)
    assert read_runs.count(shed, "status=queued") == 1
    (row,) = read_triggers.history(shed)
    assert row.firing.status == "queued" and row.run_status == "queued"
    assert row.firing.why == "data/two.parquet added, +600 rows; values as production knows them"


def test_values_that_moved_stand_behind_the_decision(shed: Shed, tmp_path: Path) -> None:
    trigger, orders, firing = seen(shed, tmp_path / "project", farther=900.0)
    acting.carry_out(shed, trigger, orders, firing)
    acting.measure(shed, orders, firing)
    (row,) = read_triggers.history(shed)
    assert row.firing.why.startswith("data/two.parquet added, +600 rows; values shifted: distance (PSI ")
    assert runs.details(shed, row.firing.run_id or 0).set_off_by == f"new-data: {row.firing.why}"
    first = row.firing.evidence["shift"]["drift"][0]
    assert first["column"] == "distance" and first["psi"] > 0.25 and first["importance"] > 0
