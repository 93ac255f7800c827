"""Processes are told apart by more than their pid, and only our own are signalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from runners.supervision.processes import (
    MARK,
    Identity,
    alive,
    end_group,
    identify,
    look,
    members,
    signal_group,
    wait_gone,
    watch,
)
from runners.supervision.processes import signal as send
from tests.waiting import until

Start = Callable[..., "subprocess.Popen[bytes]"]
SLEEP = "import signal; signal.pause()"
FAMILY = """
import os, subprocess, sys, signal
sleep = [sys.executable, "-c", "import signal; signal.pause()"]
same_session = subprocess.Popen(sleep)
own_session = subprocess.Popen(sleep, start_new_session=True)
print(same_session.pid, own_session.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def _start(code: str, mark: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, MARK: mark} if mark else None,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def family(start: Start, mark: str = "") -> tuple[subprocess.Popen[bytes], list[Identity]]:
    leader = start(FAMILY, mark)
    assert leader.stdout is not None
    return leader, [identify(int(pid)) for pid in leader.stdout.readline().split()]


def test_an_identity_survives_json(start: Start) -> None:
    identity = identify(start(SLEEP).pid)
    assert Identity.from_json(json.loads(json.dumps(identity.to_json()))) == identity


def test_a_running_process_is_alive_and_a_zombie_is_not(start: Start) -> None:
    process = start(SLEEP)
    identity = identify(process.pid)
    assert alive(identity)
    process.kill()
    until(lambda: (seen := look(process.pid)) is not None and seen.dead)
    assert not alive(identity)
    process.wait()
    assert not alive(identity)


def test_a_name_with_parentheses_and_spaces_does_not_confuse_the_reading(start: Start) -> None:
    renamed = "from pathlib import Path; Path('/proc/self/comm').write_text(') R 1 (x'); print(flush=True); "
    process = start(renamed + SLEEP)
    assert process.stdout is not None
    process.stdout.readline()
    seen = look(process.pid)
    assert seen is not None
    assert (seen.name, seen.parent, seen.session) == (") R 1 (x", os.getpid(), process.pid)


@pytest.mark.parametrize("stranger", ["started", "boot"])
def test_another_process_with_the_same_pid_is_neither_alive_nor_signalled(start: Start, stranger: str) -> None:
    process = start(SLEEP)
    real = identify(process.pid)
    other = replace(real, started=real.started - 1) if stranger == "started" else replace(real, boot="another")
    assert not alive(other)
    assert watch(other) is None
    assert not send(other, signal.SIGKILL)
    assert signal_group(other, signal.SIGKILL, mark="a mark that it does not have") == 0
    assert alive(real)


def test_a_signal_reaches_the_process_itself(start: Start) -> None:
    process = start(SLEEP)
    assert send(identify(process.pid), signal.SIGUSR1)
    assert process.wait() == -signal.SIGUSR1


def test_the_members_are_the_session_and_all_descendants(start: Start) -> None:
    leader, children = family(start)
    assert set(members(identify(leader.pid))) == {identify(leader.pid), *children}
    assert end_group(identify(leader.pid), grace_s=5) == [look_name(leader.pid)] * 3
    assert not any(alive(child) for child in children)


def look_name(pid: int) -> str:
    seen = look(pid)
    assert seen is not None
    return seen.name


def test_a_dead_but_unreaped_leader_still_stands_for_its_session(start: Start) -> None:
    leader, (same_session, own_session) = family(start)
    identity = identify(leader.pid)
    leader.kill()
    until(lambda: not alive(identity))
    assert members(identity) == [same_session]
    assert end_group(identity, grace_s=0)
    assert not alive(same_session)
    send(own_session, signal.SIGKILL)


def test_what_a_leader_left_is_found_by_its_mark_after_it_is_gone(start: Start) -> None:
    leader, children = family(start, mark="c0ffee")
    identity = identify(leader.pid)
    leader.kill()
    leader.wait()
    assert members(identity) == []
    assert set(members(identity, mark="c0ffee")) == set(children)
    end_group(identity, mark="c0ffee", grace_s=0)
    assert wait_gone(children, 5)


def test_what_ignores_sigterm_is_killed(start: Start) -> None:
    process = start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()")
    assert process.stdout is not None
    process.stdout.readline()
    end_group(identify(process.pid), grace_s=0.05)
    assert process.wait() == -signal.SIGKILL


def test_a_pid_without_a_process_has_no_identity(start: Start) -> None:
    process = start("pass")
    process.wait()
    with pytest.raises(ProcessLookupError):
        identify(process.pid)
