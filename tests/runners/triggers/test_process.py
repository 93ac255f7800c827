"""The loop that watches: what breaks in one trigger is told, and ends nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.agency import requests
from runners.triggers.measuring import Found, Measuring
from runners.triggers.process import BROKEN_S, Watch
from storage.project import ProjectSpec
from storage.read import triggers as read_triggers
from storage.shed import Shed, open_shed
from storage.trigger_section import TriggerSection
from storage.write import triggers as write_triggers
from tests.runners.triggers.watched import firings, watched


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_shed(tmp_path / "shed")


@pytest.fixture
def watch(shed: Shed) -> Iterator[Watch]:
    found = Watch(shed)
    yield found
    found.courier.close()
    found.changes.close()
    found.thread.shutdown()


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


def test_a_trigger_that_breaks_is_told_and_the_others_go_on(shed: Shed, tmp_path: Path, watch: Watch) -> None:
    trigger, _ = watched(shed, tmp_path / "project", '[[trigger]]\non = "drift"\n')
    broken, calm = Broken(), Calm()
    for number, source in ((trigger.id or 0, broken), (99, calm)):
        watch.sources[number], watch.due[number] = ("r", source), 0.0
    watch._look()
    watch._look()
    assert (broken.looks, calm.looks) == (1, 2)
    assert watch.due[trigger.id or 0] > watch.due[99] + BROKEN_S / 2
    (row,) = read_triggers.every(shed)
    assert row.trigger.note == "this is a bug in trainshed: ValueError('not of this shape')"


def test_orders_of_a_newer_version_pause_their_trigger_with_what_to_do(
    shed: Shed, tmp_path: Path, watch: Watch
) -> None:
    command = ["trigger", json.dumps({"on": "drift", "rhythm": "lunar"})]
    request = requests.keep(watch.home, requests.of_command(command, tmp_path, {}))
    newer, _ = write_triggers.register(
        shed, name="newer", project="delays", project_dir=str(tmp_path), kind="drift", spec={}, request=request
    )
    watch._begin(newer)
    (row,) = read_triggers.every(shed)
    assert row.trigger.status == "paused" and not watch.sources
    assert row.trigger.reason == (
        'this version cannot read it: unknown key "rhythm"; '
        f"update trainshed, or `trainshed triggers add -p {tmp_path}` gives its settings anew"
    )


def test_while_drift_is_measured_the_others_are_looked_at(shed: Shed, tmp_path: Path, watch: Watch) -> None:
    trigger, orders = watched(shed, tmp_path / "project", '[[trigger]]\non = "drift"\n')
    begun, may_end, woken, calm = threading.Event(), threading.Event(), threading.Event(), Calm()

    def measure(_shed: Shed, _project: ProjectSpec, _spec: TriggerSection) -> Found:
        begun.set()
        may_end.wait()
        return Found("", "a shifted", "drift a")

    drift = Measuring(shed, trigger, orders, measure, lambda work: watch._apart(work, woken.set))
    for number, source in ((1, drift), (2, calm)):
        watch.sources[number], watch.due[number] = ("r", source), 0.0
    watch._look()
    assert begun.wait(30)
    watch._look()
    assert calm.looks == 2 and not firings(shed)
    may_end.set()
    assert woken.wait(30)
    watch.hinted.add(1)
    watch._look()
    assert [row.firing.why for row in firings(shed)] == ["a shifted"]
