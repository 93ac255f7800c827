"""Three users, each under a uid of their own, queue commands on one machine: real agents, real leases."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.agency.home import has_agent
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from tests.waiting import until

LONG_S = 0.8  # beside which the turn from one run to the next is short, as it is beside a training
SECOND_LOOK = 0.5  # a run is told before its agent has looked at it
ROOT = Path(__file__).parents[2]
GROUP = 64200
USERS = ("64201", "64202", "64203")
# Everything is imported before the rights are dropped, because the interpreter may lie in root's home.
DROP = """\
import json, os, sys, uuid
from pathlib import Path
import runners.agent, runners.supervised
from runners.actions import queueing
from runners.actions.queueing import Wanted
from storage.shed import open_shed
root, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.umask(0o007)
"""
AGENT = DROP + "sys.argv[1:] = ['--shed', str(root)]\nsys.exit(runners.agent.main())"
QUEUE = (
    DROP
    + """\
shed = open_shed(root)
for seconds in json.loads(sys.argv[4]):
    run = queueing.execute(shed, ["sleep", str(seconds)], cwd=Path("/"))
    spread = run.starts_in
    print(json.dumps([run.run.id, spread and [spread.low, spread.high]]), flush=True)
"""
)


def as_user(uid: str, folder: Path, script: str, *words: str) -> subprocess.Popen[str]:
    state = folder / f"state{uid}"
    state.mkdir(exist_ok=True)
    os.chown(state, int(uid), GROUP)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "shed"), uid, str(GROUP), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@pytest.fixture
def shared() -> Iterator[Path]:
    """A shed of two slots that a group of three shares, with the agent of each at work."""
    if os.geteuid() != 0:
        pytest.skip("only root can act for three users")
    folder = Path(tempfile.mkdtemp(prefix="team-"))  # pytest's own folders are closed to other users
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    shed = open_shed(folder / "shed")
    (folder / "shed" / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    (folder / "shed" / "settings.toml").chmod(0o664)
    agents = [as_user(uid, folder, AGENT) for uid in USERS]
    try:
        until(lambda: all(has_agent(shed, uid) for uid in USERS), 60)
        yield folder
    finally:
        for agent in agents:
            agent.kill()
            print(agent.communicate()[1][-2000:])
        shutil.rmtree(folder)


def shares(shed: Shed, runs: set[int]) -> dict[str, float]:
    """Device-seconds of each user as long as all of them still had runs waiting."""
    uses = [use for use in read_queue.uses_since(shed, 0) if use.run_id in runs]
    last = {user: max(use.started_at for use in uses if use.user == user) for user in USERS}
    first = {user: min(use.started_at for use in uses if use.user == user) for user in USERS}
    begin, end = max(first.values()), min(last.values())
    held = dict.fromkeys(USERS, 0.0)
    for use in uses:
        held[use.user] += max(0.0, min(use.ended_at or end, end) - max(use.started_at, begin))
    return held


def played(
    folder: Path, runs: int, chance: random.Random, unit_s: float = 0.15
) -> tuple[Shed, dict[int, list[float] | None]]:
    """Queue `runs` commands of three users, whose runs differ in length and number; returns what each was told."""
    shed = open_shed(folder / "shed")
    means = {"64201": unit_s, "64202": 2 * unit_s, "64203": 4 * unit_s}
    counts = {"64201": runs // 2, "64202": runs * 3 // 10, "64203": runs - runs // 2 - runs * 3 // 10}
    typing = []
    for uid, mean in means.items():
        lengths = [round(mean * chance.uniform(0.5, 1.5), 3) for _ in range(counts[uid])]
        typing.append(as_user(uid, folder, QUEUE, json.dumps(lengths)))
    told: dict[int, list[float] | None] = {}
    for process in typing:
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
        told.update({int(run): spread for run, spread in map(json.loads, out.splitlines())})
    until(lambda: not read_queue.waiting(shed) and not read_queue.holding(shed), 600)
    return shed, told


def waits(shed: Shed, run_ids: set[int]) -> dict[int, float]:
    """Seconds from when each run was queued until it was given its devices."""
    started = {use.run_id: use.started_at for use in read_queue.uses_since(shed, 0)}
    return {run_id: started[run_id] - read_runs.row(shed, run_id).run.created_at for run_id in run_ids}


def test_three_users_share_a_machine_through_their_own_agents(shared: Path) -> None:
    shed, told = played(shared, 12, random.Random(1))
    ends = read_queue.statuses(shed, set(told))
    assert set(ends.values()) == {"done"}
    owners = {entry.user for entry in read_queue.uses_since(shed, 0)}
    assert owners == set(USERS)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_hundred_runs_of_three_users_are_shared_fairly(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played(shared, 24, random.Random(1), LONG_S)  # something to estimate from
    shed, told = played(shared, 200, random.Random(2), LONG_S)
    assert set(read_queue.statuses(shed, set(told)).values()) == {"done"}
    held = shares(shed, set(told))
    waited = waits(shed, set(told))
    ranges = {run_id: spread for run_id, spread in told.items() if spread is not None}
    covered = [low - SECOND_LOOK <= waited[run_id] <= high + SECOND_LOOK for run_id, (low, high) in ranges.items()]
    fair = sum(held.values()) / len(held)
    with capsys.disabled():
        print("\ndevice-seconds while all three had work:", {user: round(seconds, 1) for user, seconds in held.items()})
        print(f"told a range: {len(ranges)} of {len(told)}; started within it: {sum(covered)}")
    assert all(abs(seconds - fair) <= 0.1 * fair for seconds in held.values()), held
    assert all(waited[run_id] < SECOND_LOOK for run_id in set(told) - set(ranges)), (
        "these had begun when they were asked"
    )
    assert sum(covered) >= 0.8 * len(covered)
