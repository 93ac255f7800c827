"""Agents race for leases: never two holders, and never more memory than there is."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runners import leases
from runners.supervision.processes import alive, identify
from runners.supervision.processes import signal as send
from storage.shed import open_shed
from tests.lessees import Lessee
from tests.waiting import until

GB = 1_000_000_000


@contextmanager
def agents(shed: Path, count: int) -> Iterator[list[Lessee]]:
    open_shed(shed).close()
    found = [Lessee(shed, user=f"user{index}") for index in range(count)]
    try:
        yield found
    finally:
        for agent in found:
            agent.kill()


@pytest.mark.parametrize("rounds", [150, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_of_two_agents_after_one_lease_exactly_one_has_it(tmp_path: Path, rounds: int) -> None:
    order = random.Random(0)
    won = [0, 0]
    with agents(tmp_path / "shed", 2) as both:
        for run in range(rounds):
            for agent in order.sample(both, 2):
                agent.ask_for(["gpu0"], run=run)
            granted = [agent.hear() for agent in both]
            assert sorted(granted) == [False, True], f"race {run}"
            winner = granted.index(True)
            won[winner] += 1
            both[winner].release()
    assert min(won) > rounds / 20, "one of them hardly ever won: that was no race"


@pytest.mark.parametrize("rounds", [30, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_racing_for_several_devices_at_once_nobody_is_left_with_a_part(tmp_path: Path, rounds: int) -> None:
    wishes = [["gpu0", "gpu1"], ["gpu1", "gpu2"], ["gpu2", "gpu0"]]
    with agents(tmp_path / "shed", 3) as three:
        shed = open_shed(tmp_path / "shed")
        for run in range(rounds):
            for agent, wish in zip(three, wishes, strict=True):
                agent.ask_for(wish, run=run)
            granted = [agent.hear() for agent in three]
            assert sum(granted) == 1
            winner = granted.index(True)
            assert sorted(leases.holders(shed)) == sorted(wishes[winner])
            three[winner].release()


@pytest.mark.parametrize("rounds", [60, pytest.param(3000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_racing_claims_never_exceed_the_memory(tmp_path: Path, rounds: int) -> None:
    sizes = [
        30 * GB,
        40 * GB,
        50 * GB,
        None,
    ]  # of 80: two of the claims may fit, or one, or the run that wants it alone
    with agents(tmp_path / "shed", 4) as four:
        shed = open_shed(tmp_path / "shed")
        for run in range(rounds):
            for agent, size in zip(four, sizes, strict=True):
                agent.ask_for(["gpu0"], size, run=run, total=80 * GB)
            granted = [agent.hear() for agent in four]
            won = [size for size, yes in zip(sizes, granted, strict=True) if yes]
            assert won == [None] or (won and sum(size or 81 * GB for size in won) <= 80 * GB)
            told = [holder.memory for holder in leases.holders(shed)["gpu0"]]
            assert sorted(told, key=str) == sorted(won, key=str)
            for agent, yes in zip(four, granted, strict=True):
                if yes:
                    agent.release()


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_a_killed_holders_lease_is_the_next_ones_and_what_its_child_inherited_is_not(
    tmp_path: Path, rounds: int
) -> None:
    root = tmp_path / "shed"
    with agents(root, 1) as (other,):
        for run in range(rounds):
            with agents(root, 1) as (holder,):
                assert holder.take(["gpu0"], run=run)
                child = identify(holder.start_child()) if run % 2 else None
                holder.kill()
                assert other.take(["gpu0"], run=run) == (child is None)
                if child is not None:
                    os.kill(child.pid, signal.SIGKILL)
                    until(lambda run=run: other.take(["gpu0"], run=run))  # type: ignore[misc]
                other.release()


def test_a_reused_pid_is_never_signalled() -> None:
    """The number lives, but as another process, or since another boot: it is left alone."""
    pause = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]
    with subprocess.Popen(pause, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid)
        for stranger in (
            replace(identity, started=identity.started - 1),
            replace(identity, started=identity.started + 1),
            replace(identity, boot="another boot"),
        ):
            assert not alive(stranger)
            assert not send(stranger, signal.SIGKILL)
        assert alive(identity)
        assert send(identity, signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
