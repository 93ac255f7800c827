"""The last hour of each device from the records, the leases of now, and who will have it next."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from runners import leases
from runners.actions.forecasts import foresee
from runners.actions.timeline import Timeline, timeline
from storage.shed import Shed, current_user, open_shed
from storage.tables import DeviceUse
from storage.write import queue as write_queue
from storage.write.runs import NewRun
from tests.scenes import run_of

MIN = 60.0


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    shed = open_shed(tmp_path / "shed")
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    return shed


def used(shed: Shed, name: str, device: str, begins: float, ends: float | None, host: str | None = None) -> int:
    """A run that had a device from `begins` to `ends`, in minutes from now."""
    run, now = run_of(shed, name), time.time()
    with shed.writing("held", name) as write:
        write.session.add(
            DeviceUse(
                run_id=run.id or 0,
                user="ana",
                host=host or socket.gethostname(),
                device=device,
                started_at=now + begins * MIN,
                ended_at=None if ends is None else now + ends * MIN,
            )
        )
    return run.id or 0


def waiting(shed: Shed, name: str, user: str, gpus: int = 1) -> int:
    """A run of somebody else: no agent comes to life for it."""
    new = NewRun(name=name, project="p", project_dir="/p", identity="i", code="c", spec={}, snapshot={}, params={})
    run = write_queue.enqueue(shed, new, write_queue.Ask(request="r", gpus=gpus))
    with shed.writing("given", name) as write:
        for row in (write.session.get_one(type(run), run.id),):
            row.user = user
            write.session.add(row)
    return run.id or 0


def told(shed: Shed) -> Timeline:
    return timeline(shed, foresee(shed))


def test_each_device_tells_who_had_it_within_the_hour_and_for_how_long(shed: Shed) -> None:
    used(shed, "long ago", "cpu0", -200, -100)
    first, second = used(shed, "first", "cpu0", -90, -50), used(shed, "second", "cpu0", -40, -10)
    used(shed, "elsewhere", "cpu0", -30, -10, host="another")
    found = told(shed)
    assert [(each.run, each.name, each.when) for each in found.lanes["cpu0"]] == [
        (first, "first", "past"),
        (second, "second", "past"),
    ]
    assert found.lanes["cpu1"] == []
    assert found.lanes["cpu0"][1].ends == pytest.approx(time.time() - 10 * MIN, abs=60)


def test_a_lease_is_shown_though_no_record_tells_of_it(shed: Shed) -> None:
    lease = leases.take(shed, 0, ["cpu1"], memory=None, user=current_user())
    assert lease is not None
    with lease:
        (stretch,) = told(shed).lanes["cpu1"]
        assert (stretch.when, stretch.user, stretch.ends) == ("now", current_user(), None)


def test_a_record_without_an_end_whose_lease_is_gone_ended_with_its_process(shed: Shed) -> None:
    used(shed, "killed", "cpu0", -20, None)
    found = told(shed)
    assert [(each.when, each.ends) for each in found.lanes["cpu0"]] == [("past", found.now)]
