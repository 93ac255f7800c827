"""Memory on a GPU that no lease explains has an owner, who is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from runners import leases
from runners.gpus import GpuProcess
from runners.leasing.strangers import belonging, command_of, everyone, name_of, strangers, told, user_of
from runners.supervision.childfile import Child
from runners.supervision.processes import Identity, Seen, boot_id, identify, identify_self
from storage.settings import Settings
from storage.shed import Shed, current_user
from tests.lessees import card

GB = 1_000_000_000
PAUSE = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(PAUSE, stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdout is not None
    started.stdout.readline()
    yield started
    started.kill()
    started.wait()
    started.stdout.close()


def seen(pid: int, *, parent: int = 1, session: int = 1, started: int = 100) -> Seen:
    return Seen(pid, f"p{pid}", "S", parent, session, 0, started, 0)


def test_the_session_of_a_root_and_all_descendants_belong_to_it() -> None:
    root = Identity(10, 100, boot_id())
    processes = [
        seen(10, session=10),
        seen(11, session=10),
        seen(12, parent=11, session=12),
        seen(13, parent=12, session=12),
        seen(14, session=10),  # its parent is gone
        seen(20, session=20),
        seen(21, parent=20, session=20),
    ]
    assert belonging([root], {each.pid: each for each in processes}) == {10, 11, 12, 13, 14}


def test_a_number_that_was_given_out_again_is_no_root() -> None:
    processes = {10: seen(10, session=10, started=500), 11: seen(11, parent=10, session=10, started=501)}
    assert belonging([Identity(10, 100, boot_id())], processes) == set()
    assert belonging([Identity(10, 500, "another boot")], processes) == set()
    assert belonging([Identity(10, 500, boot_id())], processes) == {10, 11}


def test_what_a_dead_root_left_in_its_session_is_still_its_own() -> None:
    assert belonging([Identity(10, 100, boot_id())], {11: seen(11, session=10, started=120)}) == {11}


def test_a_process_that_cannot_be_seen_is_the_holders_or_a_strangers() -> None:
    ours, other, hidden = GpuProcess(10, GB), GpuProcess(20, 2 * GB), GpuProcess(30, 3 * GB)
    reading = card(computing=(ours, other, hidden))
    processes = {10: seen(10, session=10), 20: seen(20, session=20)}
    assert strangers(reading, [Identity(10, 100, boot_id())], processes) == [other]
    assert strangers(reading, [], processes) == [ours, other, hidden]


def test_a_desktop_that_computes_a_little_is_no_stranger() -> None:
    desktop = GpuProcess(20, GB)
    assert strangers(card(computing=(desktop,), drawing=(desktop,)), [], {20: seen(20, session=20)}) == []


def test_strangers_are_named_with_what_they_hold(process: subprocess.Popen[bytes]) -> None:
    name = everyone()[process.pid].name
    assert name_of(process.pid) == f"{name} (pid {process.pid}, {current_user()})"
    found = [GpuProcess(process.pid, 11 * GB), GpuProcess(0, None)]
    assert told(card(), found, held=False) == f"{name_of(process.pid)} 11 GB, pid 0"
    assert command_of(process.pid) == " ".join(PAUSE)
    assert (user_of(0), command_of(0)) == ("", "")


def test_much_memory_that_nobody_is_named_for_is_somebodys_unless_a_lease_explains_it() -> None:
    desktop = (GpuProcess(1, GB),)
    assert told(card(used=5 * GB), [], held=False) == "processes that cannot be seen from here 5 GB"
    assert told(card(used=5 * GB), [], held=True) == ""
    assert told(card(used=2 * GB, drawing=desktop), [], held=False) == ""
    assert told(card(used=GB // 2), [], held=False) == ""
    assert told(card(used=5 * GB, drawing=(GpuProcess(1, None),)), [], held=False) == ""
    assert told(card(used=5 * GB, computing=None), [], held=False) != ""


def test_a_slot_names_the_stranger_on_it_and_not_the_lease_holders_processes(
    shed: Shed, process: subprocess.Popen[bytes]
) -> None:
    cards = [card(used=11 * GB, computing=(GpuProcess(process.pid, 11 * GB),))]
    assert leases.slots(shed, Settings(), cards)[0].stranger == f"{name_of(process.pid)} 11 GB"
    lease = leases.take(shed, 3, ["gpu0"], memory=None, user="ana", readings=cards)
    assert lease is not None
    assert leases.slots(shed, Settings(), cards)[0].stranger == ""  # a descendant of this process, which took the lease
    lease.release()
    assert leases.slots(shed, Settings(), cards)[0].stranger != ""


def test_a_child_that_outlives_its_supervisor_is_no_stranger(shed: Shed, process: subprocess.Popen[bytes]) -> None:
    run_dir = shed.make_dir(shed.run_dir(3))
    Child([], 1, 0, 0.0, identity=identify(process.pid)).write(run_dir)
    gone = replace(identify_self(), started=1)
    holder = leases.Holder(3, "ana", gone, None, 0.0)
    reading = card(used=11 * GB, computing=(GpuProcess(process.pid, 11 * GB), GpuProcess(os.getpid(), GB)))
    assert leases.stranger(shed, reading, [holder]) == f"{name_of(os.getpid())} 1 GB"
