"""The shed is created once, shared safely, and never written over when it is not what it should be."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import storage.shed
from storage.errors import ShedError
from storage.journal import file_system, journal_mode
from storage.read import audit
from storage.read import runs as read_runs
from storage.shed import HEAD, open_shed
from storage.tables import RunMetric
from storage.write import runs as write_runs


def new_run(name: str = "r", **params: object) -> write_runs.NewRun:
    return write_runs.NewRun(
        name=name, project="p", project_dir="/p", identity=name, code="c", spec={}, snapshot={}, params=params
    )


def test_first_use_creates_a_shed_that_the_group_may_use(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    assert stat.S_IMODE(shed.root.stat().st_mode) == 0o2770
    assert stat.S_IMODE(shed.db.stat().st_mode) == 0o660
    run = write_runs.create(shed, new_run())
    assert stat.S_IMODE(shed.run_dir(run.id or 0).stat().st_mode) == 0o2770


def test_the_place_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINSHED_HOME", str(tmp_path / "elsewhere"))
    assert open_shed().root == tmp_path / "elsewhere"
    monkeypatch.delenv("TRAINSHED_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert storage.shed.default_root() == tmp_path / "xdg" / "trainshed"


def test_migrations_make_exactly_the_tables_that_the_code_describes(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    engine = create_engine(f"sqlite:///{shed.db}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(storage.shed.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_every_change_leaves_an_audit_row(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    run = write_runs.create(shed, new_run(lr=0.1))
    write_runs.add_note(shed, run.id or 0, "looks good")
    write_runs.finish(shed, run.id or 0, "done", 0)
    changes = audit.of(shed, f"run {run.id}")
    assert [change.action for change in changes] == ["run created", "note added", "run done"]
    assert all(change.user and change.host and change.pid for change in changes)


def test_a_failed_change_leaves_nothing(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    run = write_runs.create(shed, new_run())
    with pytest.raises(RuntimeError), shed.writing("half done", "x") as write:
        found = write.session.get_one(type(run), run.id)
        found.status = "broken"
        write.session.add(found)
        write.session.flush()
        raise RuntimeError
    assert read_runs.run(shed, run.id or 0).status == "running"
    assert audit.of(shed, "x") == []


def test_a_newer_shed_is_refused_and_left_alone(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    with sqlite3.connect(shed.db) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    before = shed.db.read_bytes()
    with pytest.raises(ShedError, match="newer trainshed"):
        open_shed(tmp_path)
    assert shed.db.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"not a database at all, just some text" * 200])
def test_a_damaged_shed_is_refused_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    shed = open_shed(tmp_path)
    (shed.objects.root / "ab").mkdir()
    shed.close()
    shed.db.write_bytes(damage)
    with pytest.raises(ShedError, match=r"damaged|missing or empty"):
        open_shed(tmp_path)
    assert shed.db.read_bytes() == damage


def test_damage_inside_is_told_in_words(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    for number in range(50):
        write_runs.create(shed, new_run(f"r{number}"))
    shed.close()
    size = shed.db.stat().st_size
    with shed.db.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with pytest.raises(ShedError, match="damaged"):
        read_runs.page(open_shed(tmp_path), limit=100)


def test_somebody_elses_database_is_not_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shed.db") as connection:
        connection.execute("create table mine (x)")
    connection.close()
    with pytest.raises(ShedError, match="not a shed"):
        open_shed(tmp_path)


def test_write_ahead_logging_only_where_it_is_safe(tmp_path: Path) -> None:
    local = f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n"
    assert journal_mode(Path("/var"), sqlite=(3, 51, 3), mounts=local) == "wal"
    assert journal_mode(Path("/var"), sqlite=(3, 51, 2), mounts=local) == "delete"
    assert journal_mode(tmp_path / "deep", sqlite=(3, 60, 0), mounts=local) == "delete"
    assert file_system(tmp_path / "deep", mounts=local) == "nfs4"


def test_an_interrupted_migration_leaves_the_old_state(tmp_path: Path) -> None:
    """The process is killed in the middle of creating the tables; the next one starts from nothing and succeeds."""
    script = f"""
import os
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from storage.shed import open_shed
@event.listens_for(Engine, "after_cursor_execute")
def die(conn, cursor, statement, *rest):
    if "CREATE TABLE run_param" in statement:
        os._exit(9)
open_shed(Path({str(tmp_path)!r}))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    shed = open_shed(tmp_path)
    assert write_runs.create(shed, new_run()).id == 1


# Forked from one that has imported everything: they all come to the shed at the same moment.
WRITERS = """
import os, sys, traceback
from pathlib import Path
from storage.shed import open_shed
from storage.write import runs
from storage.tables import RunMetric

def write():
    shed = open_shed(Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        run = runs.create(shed, runs.NewRun(name="r", project="p", project_dir="/p", identity="i", code="c", spec={},
                                            snapshot={}, params={"lr": 0.1, "n": number}))
        metric = RunMetric(run_id=run.id, name="loss", last=float(number), count=1)
        runs.progress(shed, run.id, {"loss": metric}, 0.5)
        runs.finish(shed, run.id, "done", 0)

wait, go = os.pipe()
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        os.close(go)
        os.read(wait, 1)
        try:
            write()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
os.close(go)
sys.exit(any([os.wait()[1] for _ in range(int(sys.argv[2]))]))
"""


def test_64_processes_create_and_write_one_shed_at_once(tmp_path: Path) -> None:
    """No "locked" error reaches anyone, every row arrives, and the file is sound."""
    processes, each = 64, 1
    command = [sys.executable, "-c", WRITERS, str(tmp_path / "shed"), str(processes), str(each)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    shed = open_shed(tmp_path / "shed")
    assert read_runs.count(shed) == processes * each
    assert read_runs.count(shed, "status=done lr=0.1 loss>=0") == processes * each
    with sqlite3.connect(shed.db) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        audited = connection.execute("select count(*) from audit").fetchone()[0]
    connection.close()
    assert audited == processes * each * 3


def test_infinities_and_nan_survive_as_flags(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    run = write_runs.create(shed, new_run())
    write_runs.measured(shed, run.id or 0, {"loss": float("nan"), "auroc": 0.7})
    metrics = read_runs.row(shed, run.id or 0).metrics
    assert metrics["loss"].last is None
    assert metrics["loss"].nonfinite_step == 0
    assert metrics["auroc"] == RunMetric(
        run_id=run.id or 0,
        name="auroc",
        last=0.7,
        lowest=0.7,
        highest=0.7,
        count=1,
        last_step=None,
        nonfinite_step=None,
    )
    assert json.dumps(read_runs.row(shed, run.id or 0).params) == "{}"


def test_a_shed_that_was_moved_away_is_neither_read_nor_written_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    with shed.reading():
        pass
    shed.root.rename(tmp_path / "away")
    with pytest.raises(ShedError, match=r"the shed is gone(.|\n)*bring it back to this place"), shed.reading():
        pass
    with pytest.raises(ShedError, match="the shed is gone"), shed.writing("test", "x"):
        pass
    (tmp_path / "away").rename(shed.root)
    with shed.writing("test", "x"):
        pass


def test_another_shed_in_its_place_is_what_is_read_from_then_on(tmp_path: Path) -> None:
    shed, other = open_shed(tmp_path / "shed"), open_shed(tmp_path / "other")
    run = write_runs.create(shed, new_run("before"))
    assert read_runs.row(shed, run.id or 0).run.name == "before"
    write_runs.create(other, new_run("after"))
    other.close()
    shed.root.rename(tmp_path / "away")
    other.root.rename(shed.root)
    assert read_runs.row(shed, run.id or 0).run.name == "after"
