"""The loop that watches: what breaks in one trigger is told, and ends nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.triggers.process import BROKEN_S, Watch
from storage.read import triggers as read_triggers
from storage.shed import Shed, open_shed
from tests.runners.triggers.watched import watched


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_shed(tmp_path / "shed")


class Broken:
    """Breaks whenever it is looked at."""

    looks = 0

    def look(self, now: float) -> float:
        self.looks += 1
        raise ValueError("not of this shape")

    def close(self) -> None:
        """Nothing is held."""


class Calm:
    """Has nothing to do."""

    looks = 0

    def look(self, now: float) -> float:
        self.looks += 1
        return now

    def close(self) -> None:
        """Nothing is held."""


def test_a_trigger_that_breaks_is_told_and_the_others_go_on(shed: Shed, tmp_path: Path) -> None:
    trigger, _ = watched(shed, tmp_path / "project", '[[trigger]]\non = "drift"\n')
    watch, broken, calm = Watch(shed), Broken(), Calm()
    try:
        for number, source in ((trigger.id or 0, broken), (99, calm)):
            watch.sources[number], watch.due[number] = ("r", source), 0.0
        watch._look()
        watch._look()
        assert (broken.looks, calm.looks) == (1, 2)
        assert watch.due[trigger.id or 0] > watch.due[99] + BROKEN_S / 2
        (row,) = read_triggers.every(shed)
        assert row.trigger.note == "this is a bug in trainshed: ValueError('not of this shape')"
    finally:
        watch.courier.close()
        watch.changes.close()
