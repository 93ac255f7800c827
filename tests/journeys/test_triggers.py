"""Projects that retrain by themselves: files are dropped, noticed, decided about, learnt from; people are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.actions import datasets
from storage.project import load_project
from storage.read import alerts as read_alerts
from storage.read import triggers as read_triggers
from storage.read.triggers import FiringRow
from storage.tables import Alert
from storage.users import current_user
from tests.journeys.conftest import ROOT, Workstation
from tests.points import write_points
from tests.runners.alerting.sinks import HttpSink, http_sink
from tests.waiting import until

NEW_DATA = '[[trigger]]\non = "new-data"\nquiet_seconds = 0.3\n'


def add(workstation: Workstation, project: Path, text: str = NEW_DATA) -> None:
    path = project / "trainshed.toml"
    path.write_text(path.read_text() + text)
    added = workstation.type("triggers", "add", "-p", project)
    assert added.code == 0, added.told


def firings(workstation: Workstation, *decisions: str) -> list[FiringRow]:
    found = read_triggers.history(workstation.shed)
    return [row for row in found if not decisions or row.firing.decision in decisions]


def ended(workstation: Workstation, count: int = 1) -> list[FiringRow]:
    """Wait until so many retrainings have come to their end."""
    shed = workstation.shed
    return until(
        lambda: (
            (rows := [row for row in read_triggers.history(shed) if row.firing.run_id and row.firing.status == "done"])
            and len(rows) >= count
            and rows
        ),
        90,
    )


def note(workstation: Workstation) -> str:
    (row,) = read_triggers.every(workstation.shed)
    return row.trigger.note


def drop(path: Path, seed: int, **options: Any) -> None:
    """A file that appears whole, as an atomic rename makes it."""
    write_points(path.with_name("." + path.name), seed=seed, **options)
    path.with_name("." + path.name).rename(path)


def test_a_new_file_is_learnt_from_once_and_promoted(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny)
    drop(tiny / "data" / "two.csv", seed=2)
    (row,) = ended(workstation)
    assert row.firing.why == "data/two.csv added, +400 rows"
    assert row.firing.evidence["files"][0]["path"] == "data/two.csv"
    assert row.firing.outcome.endswith("v1 is production now")
    shutil.copy(tiny / "data" / "two.csv", tiny / "data" / ".hidden.csv")
    (tiny / "data" / "two.csv").touch()
    listed = workstation.type("triggers", "list", "-p", tiny)
    assert listed.lines[0]["last"]["run_status"] == "done" and listed.finished["watched"]
    history = workstation.type("triggers", "history", "-p", tiny)
    assert [line["decision"] for line in history.lines[:-1]] == ["retrain", "begin"]


def test_who_adds_a_trigger_that_no_new_file_can_reach_is_told(workstation: Workstation, tiny: Path) -> None:
    path = tiny / "trainshed.toml"
    path.write_text(path.read_text().replace("data/*.csv", "data/one.csv") + NEW_DATA)
    (warning,) = workstation.type("triggers", "add", "-p", tiny).finished["warnings"]
    assert warning.startswith("[dataset] names no files but data/one.csv: a new one beside it goes unnoticed")


def test_a_half_written_file_counts_when_it_is_whole(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny)
    write_points(tiny / "data" / "whole", seed=2)
    text = (tiny / "data" / "whole").read_text()
    half = tiny / "data" / "two.csv"
    half.write_text(text[:1000].rstrip("\n"))
    until(lambda: "data/two.csv: its last line has no end yet" in note(workstation))
    assert not firings(workstation, "retrain")
    half.write_text(text)
    (row,) = ended(workstation)
    assert row.firing.why == "data/two.csv added, +400 rows"


def test_a_renamed_column_stops_and_asks_and_a_person_may_mean_it(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny)
    drop(tiny / "data" / "two.csv", seed=2, columns="alpha,b,kind,label")
    (row,) = until(lambda: firings(workstation, "stop"))
    assert "data/two.csv is left out: column a" in row.firing.why
    (alert,) = until(lambda: read_alerts.every(workstation.shed))
    assert "column a" in alert.title and "triggers fire" in alert.body
    drop(tiny / "data" / "three.csv", seed=3)
    (learnt,) = ended(workstation)
    assert learnt.firing.why == "data/three.csv added, +400 rows"
    listed = workstation.type("triggers", "list", "-p", tiny)
    assert list(listed.lines[0]["left_out"]) == ["data/two.csv"]


PARSER = """\
import os, signal, sys

def opened(event, arguments):
    name = str(arguments[0]) if event == "open" else ""
    if name.endswith("kills.csv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.endswith("eats.csv"):
        bytearray(5 << 30)

if "runners.triggers.inspector" in sys.orig_argv:
    sys.addaudithook(opened)
"""


def test_files_that_break_the_parser_are_left_out_and_told_and_what_watches_lives(
    workstation: Workstation, tiny: Path
) -> None:
    (workstation.folder / "parser").mkdir()
    (workstation.folder / "parser" / "sitecustomize.py").write_text(PARSER)  # a crash in it, as at a bad file
    workstation.environment["PYTHONPATH"] = os.pathsep.join([str(workstation.folder / "parser"), str(ROOT)])
    add(workstation, tiny)
    (watcher,) = until(lambda: list((workstation.folder / "state").glob("trainshed/agents/*/triggers.json")))
    lived = watcher.read_bytes()
    (tiny / "data" / "wide.csv").write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n")
    for name in ("kills", "eats"):
        drop(tiny / "data" / f"{name}.csv", seed=5)
    drop(tiny / "data" / "two.csv", seed=2)
    (row,) = ended(workstation)
    assert row.firing.why == "data/two.csv added, +400 rows"
    history = workstation.type("triggers", "history", "-p", tiny)
    assert sorted(line["why"] for line in history.lines[:-1] if line["decision"] == "stop") == [
        "data/eats.csv is left out: it needs more memory to read than a file may",
        "data/kills.csv is left out: reading it crashed the parser (SIGSEGV)",
        "data/wide.csv is left out: its first line is longer than 4,194,304 bytes",
    ]
    (listed, *_) = workstation.type("triggers", "list", "-p", tiny).lines
    assert set(listed["left_out"]) == {"data/eats.csv", "data/kills.csv", "data/wide.csv"}
    assert watcher.read_bytes() == lived


def test_a_person_is_asked_first_where_the_project_says_wait(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny, NEW_DATA + 'do = "wait"\n')
    drop(tiny / "data" / "two.csv", seed=2)
    (row,) = until(lambda: [row for row in firings(workstation, "wait") if row.firing.status == "waiting"])
    assert row.firing.run_id is None
    assert workstation.type("triggers", "approve", str(row.firing.id)).code == 0
    assert ended(workstation)[0].firing.id == row.firing.id


def test_deleted_and_renamed_files_teach_nothing(workstation: Workstation, tiny: Path) -> None:
    write_points(tiny / "data" / "two.csv", seed=2)
    add(workstation, tiny)
    (tiny / "data" / "two.csv").rename(tiny / "data" / "deux.csv")
    (row,) = until(lambda: firings(workstation, "nothing"))
    assert row.firing.why == "data/deux.csv renamed: nothing new to learn from"
    (tiny / "data" / "deux.csv").unlink()
    row, _ = until(lambda: (rows := firings(workstation, "nothing")) and len(rows) == 2 and rows)
    assert row.firing.why == "data/two.csv removed: nothing new to learn from"
    assert not firings(workstation, "retrain")


def test_what_was_paused_notices_nothing_until_it_is_resumed(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny)
    tried = workstation.type("triggers", "test", "new-data", "-p", tiny)
    assert tried.finished["lines"][0] == "no file is new, of 1"
    assert workstation.type("triggers", "pause", "new-data", "-p", tiny).code == 0
    drop(tiny / "data" / "two.csv", seed=2)
    tried = workstation.type("triggers", "test", "new-data", "-p", tiny)
    assert "data/two.csv: new or changed, and whole" in tried.finished["lines"]
    assert not firings(workstation, "retrain")
    assert workstation.type("triggers", "resume", "new-data", "-p", tiny).code == 0
    assert ended(workstation)


def test_a_schedule_fires_by_hand_and_says_when_it_is_due(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny, '[[trigger]]\non = "schedule"\ncron = "0 6 1 1 *"\ntimezone = "Europe/Berlin"\n')
    tried = workstation.type("triggers", "test", "schedule", "-p", tiny)
    assert "06:00 CET" in tried.finished["lines"][0]
    fired = workstation.type("triggers", "fire", "schedule", "-p", tiny)
    assert fired.code == 0, fired.told
    firing = ended(workstation)[0].firing
    assert (firing.why, firing.run_id) == (f"fired by {current_user()}", 1)


def test_new_files_that_drifted_from_what_production_learnt_are_told_with_the_column(
    workstation: Workstation, tiny: Path
) -> None:
    assert workstation.batch(tiny).code == 0
    add(workstation, tiny, '[[trigger]]\non = "drift"\ndo = "notify"\nevery_minutes = 0.01\n')
    until(lambda: "waits" in note(workstation))
    drop(tiny / "data" / "two.csv", seed=2)
    lines = (tiny / "data" / "two.csv").read_text().splitlines()
    moved = [lines[0], *(f"{float(line.split(',')[0]) + 2:.4f},{line.split(',', 1)[1]}" for line in lines[1:])]
    (tiny / "data" / "two.csv").write_text("\n".join(moved) + "\n")
    datasets.add_for_project(workstation.shed, tiny, load_project(tiny))
    (row,) = until(lambda: firings(workstation, "notify"), 40)
    assert row.firing.why.startswith("a shifted (PSI ")
    assert row.firing.evidence["drift"][0]["column"] == "a"
    tried = workstation.type("triggers", "test", "drift", "-p", tiny)
    assert tried.finished["lines"][1].startswith("a: PSI ")


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as server:
        yield server


def test_an_alert_reaches_people_once_and_again_after_they_could_not_be_reached(
    workstation: Workstation, tiny: Path, sink: HttpSink
) -> None:
    workstation.environment["ALERT_URL"] = sink.address
    sink.up = False
    add(workstation, tiny, NEW_DATA + 'do = "notify"\n[alerts]\nto = ["env:ALERT_URL"]\n')
    drop(tiny / "data" / "two.csv", seed=2)

    def alert() -> Alert | None:
        found = read_alerts.every(workstation.shed)
        return found[0] if found else None

    tried = until(lambda: (found := alert()) and found.error and found)
    assert "503" in tried.error and "hush" not in tried.error
    sink.up = True
    until(lambda: (found := alert()) and found.delivery == "sent")
    assert [each["title"] for each in sink.taken] == [f"[warning] {tried.title}"]
    assert workstation.type("alerts", "test", "-p", tiny).finished["sent"] == 1
    assert workstation.type("alerts", "ack", "-p", tiny).finished["acknowledged"] == 1
    assert workstation.type("alerts", "list", "-p", tiny).finished["alerts"] == 0
