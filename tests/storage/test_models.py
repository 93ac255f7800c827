"""The registry: production moves only past a gate that passed, in one step, and every decision is kept."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from storage.errors import GateRefused, UsageError
from storage.read import models as read_models
from storage.shed import Shed
from storage.tables import ModelVersion
from storage.write import models as write_models
from storage.write import runs as write_runs


def version(shed: Shed, digest: str, *, passed: bool | None = True) -> ModelVersion:
    run = write_runs.create(
        shed,
        write_runs.NewRun(
            name="r", project="m", project_dir="/p", identity=digest, code="c", spec={}, snapshot={}, params={}
        ),
    )
    new = write_models.NewModelVersion(digest, run.id or 0, None, "binary", {}, {"auroc": 0.7})
    made, _ = write_models.register(shed, "m", new)
    if passed is not None:
        write_models.judge(shed, made.id or 0, run.id, passed=passed, evidence={"why": digest}, reason="auroc too low")
    return made


def aliases(shed: Shed) -> dict[str, int]:
    return read_models.row(shed, "m").aliases


def test_the_same_bytes_are_the_same_version(shed: Shed) -> None:
    first = version(shed, "aa")
    again, is_new = write_models.register(shed, "m", write_models.NewModelVersion("aa", first.run_id, None, None, {}))
    assert (again.id, is_new) == (first.id, False)
    assert version(shed, "bb").number == 2


def test_promotion_keeps_what_was_there_as_previous(shed: Shed) -> None:
    one, two = version(shed, "aa"), version(shed, "bb")
    assert write_models.promote(shed, one.id or 0) == (True, None)
    moved, before = write_models.promote(shed, two.id or 0)
    assert (moved, before.number if before else None) == (True, 1)
    assert aliases(shed) == {"candidate": 2, "previous": 1, "production": 2}


def test_promoting_twice_changes_nothing(shed: Shed) -> None:
    one = version(shed, "aa")
    write_models.promote(shed, one.id or 0)
    before = len(read_models.history(shed, "m"))
    assert write_models.promote(shed, one.id or 0)[0] is False
    assert len(read_models.history(shed, "m")) == before


@pytest.mark.parametrize(("passed", "why"), [(False, "auroc too low"), (None, "not judged")])
def test_nobody_passes_a_failed_or_missing_gate_without_a_reason(shed: Shed, passed: bool | None, why: str) -> None:
    one = version(shed, "aa", passed=passed)
    with pytest.raises(GateRefused, match=why):
        write_models.promote(shed, one.id or 0)
    assert "production" not in aliases(shed)
    write_models.promote(shed, one.id or 0, override="the customer waits")
    assert aliases(shed)["production"] == 1
    assert read_models.history(shed, "m")[-1].reason == "the customer waits"


def test_a_rejected_version_needs_an_override_too(shed: Shed) -> None:
    one = version(shed, "aa")
    write_models.reject(shed, one.id or 0, "biased")
    with pytest.raises(GateRefused, match="rejected it: biased"):
        write_models.promote(shed, one.id or 0)


def test_rollback_swaps_and_can_be_taken_back(shed: Shed) -> None:
    for digest in ("aa", "bb"):
        write_models.promote(shed, version(shed, digest).id or 0)
    now, bad = write_models.roll_back(shed, "m", "errors")
    assert (now.number, bad.number) == (1, 2)
    assert aliases(shed) == {"candidate": 2, "previous": 2, "production": 1}
    write_models.roll_back(shed, "m", "was not it")
    assert aliases(shed)["production"] == 2
    assert [d.kind for d in read_models.history(shed, "m")][-2:] == ["rollback", "rollback"]


def test_there_must_be_something_to_roll_back_to(shed: Shed) -> None:
    write_models.promote(shed, version(shed, "aa").id or 0)
    with pytest.raises(UsageError, match="no previous version"):
        write_models.roll_back(shed, "m", "x")


def test_any_other_alias_may_name_any_version(shed: Shed) -> None:
    one = version(shed, "aa", passed=False)
    write_models.promote(shed, one.id or 0, alias="staging")
    assert aliases(shed)["staging"] == 1
    with pytest.raises(UsageError, match="name of this alias"):
        write_models.promote(shed, one.id or 0, alias="../up")


def test_versions_are_found_by_number_or_alias(shed: Shed) -> None:
    for digest in ("aa", "bb"):
        write_models.promote(shed, version(shed, digest).id or 0)
    assert read_models.version(shed, "m").number == 2
    assert read_models.version(shed, "m", "previous").number == 1
    assert read_models.version(shed, "m", "v1").number == 1
    with pytest.raises(UsageError, match="production"):
        read_models.version(shed, "m", "prodution")
    with pytest.raises(UsageError, match="no model"):
        read_models.version(shed, "mm")


@pytest.mark.parametrize(
    "statement", ["INSERT INTO alias", "INSERT INTO decision", "UPDATE alias", "INSERT INTO audit"]
)
def test_a_kill_at_any_point_of_a_promotion_leaves_the_old_state_or_the_new_one(shed: Shed, statement: str) -> None:
    one, two = version(shed, "aa"), version(shed, "bb")
    write_models.promote(shed, one.id or 0)
    old = aliases(shed)
    script = f"""
import os, signal
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from storage.shed import open_shed
from storage.write import models
shed = open_shed(Path({str(shed.root)!r}))
@event.listens_for(Engine, "after_cursor_execute")
def die(conn, cursor, statement, *rest):
    if {statement!r} in statement:
        os.kill(os.getpid(), signal.SIGKILL)
models.promote(shed, {two.id})
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert aliases(shed) == old
    write_models.promote(shed, two.id or 0)
    assert aliases(shed)["production"] == 2
