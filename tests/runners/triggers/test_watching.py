"""Where the kernel gives no hints, or loses them, files are found by scans; and people are told."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver, EventEmitter

from runners.triggers import new_data
from runners.triggers.new_data import NewData
from runners.triggers.watching import POLL_S, RESCAN_S, Hints
from storage.project import load_project
from storage.read import triggers as read_triggers
from storage.shed import open_shed
from tests.runners.triggers.watched import Clock, firings, watched


class Exhausted(BaseObserver):
    """What inotify says when its watches are used up."""

    def __init__(self) -> None:
        super().__init__(EventEmitter)

    def start(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class Deaf(BaseObserver):
    """Watches, and loses every event, as the kernel does when too many come at once."""

    def __init__(self) -> None:
        super().__init__(EventEmitter)


def test_used_up_watches_are_told_and_files_are_scanned_often_instead(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    hints = Hints(tmp_path, ["data/*.csv"], lambda: None, observer=Exhausted)
    assert hints.warning.startswith("the limit of inotify watches is reached (sysctl fs.inotify)")
    assert not hints.alive() and hints.pause_between(0.0) == POLL_S
    assert hints.pause_between(1.0) == 20.0  # scans take a twentieth of the time at most


def test_a_network_mount_is_told_and_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("runners.triggers.watching.file_system", lambda _path: "nfs4")
    hints = Hints(tmp_path, ["data/*.csv"], lambda: None)
    assert "is on a network file system" in hints.warning and hints.pause_between(0.0) == POLL_S


@pytest.mark.parametrize(("observer", "pause"), [(Exhausted, POLL_S), (Deaf, RESCAN_S)])
def test_files_of_which_no_event_tells_are_found_by_the_next_scan(
    tmp_path: Path, observer: type[BaseObserver], pause: float
) -> None:
    shed, clock = open_shed(tmp_path / "shed"), Clock(1000.0)
    text = '[[trigger]]\non = "new-data"\ndo = "notify"\nquiet_seconds = 1\n'
    trigger, orders = watched(shed, tmp_path / "project", text)
    data = tmp_path / "project" / "data"
    data.mkdir()
    (data / "one.csv").write_text("a,b\n1,2\n")
    new_data.baseline(shed, trigger, orders, load_project(tmp_path / "project"))
    source = NewData(shed, trigger, orders, lambda: None, steady=clock, observer=observer)
    try:
        source.look(clock.now)
        clock.now += 1.5
        source.look(clock.now)
        assert not firings(shed)
        (data / "two.csv").write_text("a,b\n3,4\n")
        clock.now += 0.1
        source.look(clock.now)
        assert not source.gathering.pending
        for step in (pause, 1.5):
            clock.now += step
            source.look(clock.now)
        (row,) = firings(shed)
        assert row.firing.why == "data/two.csv added, +1 row"
        warned = read_triggers.every(shed)[0].trigger.note
        assert ("inotify" in warned) == (observer is Exhausted)
    finally:
        source.close()
