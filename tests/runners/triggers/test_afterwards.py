"""What becomes of a version that passed the gate: promoted, tried out first, told, or left to a person."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from runners.triggers import acting, afterwards
from runners.triggers.orders import Orders
from storage.project import ProjectSpec, load_project
from storage.read import alerts as read_alerts
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Firing, ModelVersion, Run, Trigger
from storage.trigger_section import Then
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from storage.write import rollouts as write_rollouts
from storage.write import triggers as write_triggers
from tests.runners.triggers.watched import PROJECT, watched
from tests.scenes import run_of
from tests.served import SIGNATURE, model_bytes

CANARY = "[serve]\ncanary = { percent = 10, minutes = 30 }\n"


def project(tmp_path: Path, text: str = "") -> ProjectSpec:
    (tmp_path / "trainshed.toml").write_text(PROJECT + text)
    return load_project(tmp_path)


def passed(shed: Shed, bias: float, status: str = "waiting") -> tuple[Run, ModelVersion]:
    """A run whose version passed the gate."""
    run = run_of(shed, "delays", status=status, reason="v2 passed the gate and waits")
    new = write_models.NewModelVersion(
        shed.objects.put_bytes(model_bytes(bias)), run.id or 0, None, "binary", SIGNATURE
    )
    version, _ = write_models.register(shed, "delays", new)
    write_models.judge(shed, version.id or 0, run.id, passed=True, evidence={})
    return read_runs.run(shed, run.id or 0), version


def fired(shed: Shed, trigger: Trigger, run: Run) -> Firing:
    firing = write_triggers.notice(shed, trigger.id or 0, "v2", decision="retrain", why="+400 rows", evidence={})
    assert firing is not None
    with shed.writing("test", "firing") as write:
        row = write.session.get_one(Firing, firing.id)
        row.run_id, row.status = run.id, "queued"
        write.session.add(row)
    return row


def settled(shed: Shed, trigger: Trigger, orders: Orders) -> Firing:
    row = read_triggers.history(shed)[0].firing
    acting.settle(shed, trigger, orders, row)
    return read_triggers.history(shed)[0].firing


@pytest.mark.parametrize("then", get_args(Then))
def test_a_trigger_says_who_has_the_last_word(tmp_path: Path, then: Then) -> None:
    spec = project(tmp_path)
    assert afterwards.ordered(spec, None) == spec
    found = afterwards.ordered(spec, then).gate.approve
    assert found == ("auto" if then == "promote" else "manual")
    assert afterwards.ordered(project(tmp_path, CANARY), "promote").gate.approve == "manual"


def test_without_an_endpoint_there_is_nothing_to_try_it_on_and_it_is_promoted(shed: Shed, tmp_path: Path) -> None:
    trigger, orders = watched(shed, tmp_path / "project", '[[trigger]]\non = "new-data"\nthen = "canary"\n')
    passed(shed, 0.0)
    run, version = passed(shed, 1.0)
    fired(shed, trigger, run)
    found = settled(shed, trigger, orders)
    assert (found.status, found.outcome) == ("done", f"run {run.id} is done, v2 is production now")
    production = read_models.aliased(shed, "delays", "production")
    assert production is not None and production.id == version.id
    assert read_runs.run(shed, run.id or 0).reason == "v2 passed the gate and is in production"


def test_a_firing_stays_open_until_its_canary_is_over(shed: Shed, tmp_path: Path) -> None:
    trigger, orders = watched(shed, tmp_path / "project", '[[trigger]]\non = "new-data"\nthen = "canary"\n')
    _, before = passed(shed, 0.0)
    write_models.promote(shed, before.id or 0)
    run, version = passed(shed, 1.0)
    write_endpoints.want(shed, "delays", "delays", "production", 8123, {})
    rollout = write_rollouts.begin(shed, "delays", "canary", "delays", version=version, against=before, rules={})
    fired(shed, trigger, run)
    assert settled(shed, trigger, orders).status == "queued"
    write_rollouts.end(shed, rollout.id or 0, "aborted", "p99 is 30 ms, production's 3 ms", {})
    found = settled(shed, trigger, orders)
    assert found.outcome == f"run {run.id}: the canary of v2 was aborted: p99 is 30 ms, production's 3 ms"


@pytest.mark.parametrize(("then", "told"), [("approve", "waits"), ("notify", "v1 passed the gate; production stays")])
def test_a_person_is_asked_or_told_and_production_stays(shed: Shed, tmp_path: Path, then: str, told: str) -> None:
    trigger, orders = watched(shed, tmp_path / "project", f'[[trigger]]\non = "new-data"\nthen = "{then}"\n')
    run, _ = passed(shed, 0.0)
    fired(shed, trigger, run)
    assert told in settled(shed, trigger, orders).outcome
    assert read_models.aliased(shed, "delays", "production") is None
    (alert,) = read_alerts.every(shed)
    assert told in alert.title and alert.body == "set off by new-data: +400 rows"
