"""A commit anywhere is noticed; a writer that was killed half way disturbs nobody who looks for commits."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from storage.read.changes import Changes
from storage.shed import Shed, open_shed
from storage.write import runs as write_runs

DIES_WHILE_WRITING = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE run SET name = 'half done'")
for number in range(3000):  # more than the cache holds: the file itself is written to before the commit
    db.execute("INSERT INTO run_tag VALUES (1, ?)", ("x" * 90 + str(number),))
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(shed: Shed) -> int:
    return write_runs.create(shed, write_runs.NewRun("r", "p", "/p", "i", "c", {}, {}, {})).id or 0


def test_a_commit_of_another_connection_is_noticed_once(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    changes = Changes(shed)
    assert not changes.any()
    before = changes.version()
    run(shed)
    assert changes.version() != before
    assert changes.any()
    assert not changes.any()


def test_a_writer_killed_half_way_is_no_change_and_no_error(tmp_path: Path) -> None:
    shed = open_shed(tmp_path)
    run_id = run(shed)
    changes = Changes(shed)
    killed = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(shed.db)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not changes.any()
    with shed.reading() as session:
        assert session.connection().exec_driver_sql("SELECT name FROM run").scalar() == "r"
    changes.any()
    write_runs.add_tag(shed, run_id, "whole")
    assert changes.any()


def test_a_shed_that_goes_away_and_comes_back_is_a_change_each_time(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    changes = Changes(shed)
    shed.root.rename(tmp_path / "away")
    assert changes.any() and not changes.any()
    (tmp_path / "away").rename(shed.root)
    assert changes.any() and not changes.any()
    run(shed)
    assert changes.any()


def test_another_shed_in_its_place_is_looked_at_from_then_on(tmp_path: Path) -> None:
    shed, other = open_shed(tmp_path / "shed"), open_shed(tmp_path / "other")
    changes = Changes(shed)
    other.close()
    shed.root.rename(tmp_path / "away")
    other.root.rename(shed.root)
    assert changes.any() and not changes.any()
    run(open_shed(shed.root))
    assert changes.any()
