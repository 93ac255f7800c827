"""What each fault of the agent, a supervisor, a child or the machine leaves: runs end once, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from runners import leases
from runners.agent import AGAIN_S
from runners.supervision import processes
from runners.supervision.childfile import Child
from runners.supervision.processes import Identity
from storage import metrics
from storage.read import runs as read_runs
from storage.tables import Audit, Run
from storage.write import sweeps as write_sweeps
from tests.journeys.conftest import Workstation, tiny, workstation
from tests.points import write_points
from tests.waiting import until

__all__ = ["tiny", "workstation"]

TOML = """\
[project]
name = "ticker"
[dataset]
name = "points"
files = "data/*.csv"
[train]
command = "python3 tick.py {steps} {label}"
gpus = 0
[train.params]
steps = 200
label = "a"
"""
FOR_EVER = 1_000_000
TICK = """\
import json, os, sys, threading
path = os.environ["TRAINSHED_METRICS"]
done = open(path).read().count("\\n") if os.path.exists(path) else 0
with open(path, "a", buffering=1) as file:
    while done < int(sys.argv[1]) and not os.path.exists(ENOUGH):
        file.write(json.dumps({"step": done, "tick": done}) + "\\n")
        done += 1
        threading.Event().wait(0.05)
with open(f"{ENOUGH}-{sys.argv[2]}", "w") as file:
    file.write(str(done))
"""


@pytest.fixture
def ticker(tmp_path: Path) -> Path:
    """A project whose training is a clock: it logs its steps one by one, with next to no work.

    A file `enough` beside it ends it early; `enough-LABEL` tells how far it came.
    """
    project = tmp_path / "ticker"
    write_points(project / "data" / "one.csv", rows=20)
    (project / "trainshed.toml").write_text(TOML)
    (project / "tick.py").write_text(f"ENOUGH = {str(project / 'enough')!r}\n{TICK}")
    return project


def launched(workstation: Workstation, ticker: Path, label: str, steps: int) -> int:
    return workstation.queued("runs", "launch", "-p", ticker, "--set", f"label={label}", "--set", f"steps={steps}")


def ticked(workstation: Workstation, run_id: int) -> int:
    return len(metrics.read(workstation.shed.run_dir(run_id) / "metrics", "tick"))


def assert_whole(workstation: Workstation, run_id: int, steps: int) -> None:
    """The run ended once, was started once, and has every step once."""
    run = workstation.run(run_id)
    assert (run.status, run.attempt) == ("done", 1), run.reason
    series = metrics.read(workstation.shed.run_dir(run_id) / "metrics", "tick")
    assert series.step.tolist() == list(range(steps))
    with workstation.shed.reading() as session:
        actions = list(session.exec(select(Audit.action).where(Audit.subject == f"run {run_id}")))
    assert actions.count("run started") == 1
    assert actions.count("run done") == 1


def killed_again_and_again(workstation: Workstation, ticker: Path, *, runs: int, kills: int) -> list[float]:
    """Kill the agent `kills` times while `runs` go; returns how long each new agent took to come, in seconds."""
    workstation.slots(runs)
    ids = [launched(workstation, ticker, f"r{number}", FOR_EVER) for number in range(runs)]
    for run_id in ids:
        workstation.wait(run_id, "running")
    took = []
    for _ in range(kills):
        agent = until(lambda: (found := workstation.agent()) and processes.alive(found) and found)
        began = time.monotonic()
        processes.signal(agent, signal.SIGKILL)
        until(lambda last=agent: (found := workstation.agent()) and found != last and processes.alive(found))  # type: ignore[misc]
        took.append(time.monotonic() - began)
    assert all(workstation.run(run_id).status == "running" for run_id in ids)
    (ticker / "enough").touch()
    for number, run_id in enumerate(ids):
        workstation.wait(run_id)
        assert_whole(workstation, run_id, int((ticker / f"enough-r{number}").read_text()))
    return took


def test_an_agent_killed_three_times_while_three_runs_go_costs_nothing(workstation: Workstation, ticker: Path) -> None:
    killed_again_and_again(workstation, ticker, runs=3, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_agent_killed_a_hundred_times_while_eight_runs_go_costs_nothing(
    workstation: Workstation, ticker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    took = sorted(killed_again_and_again(workstation, ticker, runs=8, kills=100))
    with capsys.disabled():
        print(f"\n100 kills of the agent: a new one after {took[50]:.1f} s (median), {took[-1]:.1f} s at most")


def test_a_supervisor_killed_in_training_leaves_child_and_lease_alone(workstation: Workstation, ticker: Path) -> None:
    run_id = launched(workstation, ticker, "a", 100)
    until(lambda: ticked(workstation, run_id) > 5, 60)
    shed = workstation.shed
    supervisor = Identity.from_json(workstation.run(run_id).supervisor)
    processes.signal(supervisor, signal.SIGKILL)
    until(lambda: not processes.alive(supervisor))
    assert [holder.run_id for holder in leases.holders(shed)["cpu0"]] == [run_id]
    until(lambda: Identity.from_json(read_runs.run(shed, run_id).supervisor) != supervisor)
    workstation.wait(run_id)
    assert_whole(workstation, run_id, 100)
    until(lambda: not leases.holders(shed))


def test_a_killed_child_fails_with_its_signal_and_its_last_words(workstation: Workstation) -> None:
    run_id = workstation.execute("echo last words; kill -9 $$")
    run = workstation.wait(run_id)
    assert (run.status, run.ending) == ("failed", "signal")
    assert "SIGKILL" in run.reason
    shown = workstation.type("runs", "show", str(run_id))
    assert "last words" in json.dumps(shown.lines)


def test_a_killed_training_goes_on_from_its_checkpoint_where_retries_are_asked_for(
    workstation: Workstation, ticker: Path
) -> None:
    run_id = workstation.queued("runs", "launch", "-p", ticker, "--set", "steps=120", "--retries", "1")
    until(lambda: ticked(workstation, run_id) > 5, 60)
    child = Child.read(workstation.shed.run_dir(run_id))
    assert child is not None
    processes.signal(child.find(), signal.SIGKILL)
    run = workstation.wait(run_id, "done")
    assert run.attempt == 2
    steps = metrics.read(workstation.shed.run_dir(run_id) / "metrics", "tick").step.tolist()
    assert steps == list(range(120))


@pytest.mark.parametrize("retries", [0, 1])
def test_a_reboot_interrupts_a_run_which_goes_on_where_retries_are_asked_for(
    workstation: Workstation, ticker: Path, retries: int
) -> None:
    run_id = workstation.queued("runs", "launch", "-p", ticker, "--set", "steps=60", "--retries", str(retries))
    until(lambda: ticked(workstation, run_id) > 5, 60)
    child = Child.read(workstation.shed.run_dir(run_id))
    assert child is not None
    processes.signal(child.find(), signal.SIGSTOP)  # it must not end before the power does
    assert workstation.type("agent", "stop").code == 0
    power_cut(workstation, run_id)
    assert workstation.type("agent", "start").code == 0
    run = workstation.wait(run_id, "done" if retries else "failed")
    if retries:
        assert run.attempt == 2
    else:
        assert run.ending == "reboot"
        assert "interrupted by a reboot" in run.reason
        assert f"trainshed runs resume {run_id}" in run.reason


def power_cut(workstation: Workstation, run_id: int) -> None:
    """End supervisor and child at once, and make both look like those of an earlier boot."""
    shed = workstation.shed
    child = Child.read(shed.run_dir(run_id))
    assert child is not None
    supervisor = workstation.run(run_id).supervisor
    processes.signal(Identity.from_json(supervisor), signal.SIGKILL)
    processes.end_group(child.find(), mark=child.mark, grace_s=0)
    path = shed.run_dir(run_id) / "child.json"
    written = json.loads(path.read_text())
    written["identity"]["boot"] = "an earlier one"
    path.write_text(json.dumps(written))
    with shed.writing("power cut", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.supervisor = {**supervisor, "boot": "an earlier one"}
        write.session.add(run)


def chatter(workstation: Workstation, size: str) -> int:
    """Bytes on disk of the log of a child that wrote `size`."""
    run_id = workstation.execute(f"yes a line of a chatty child | head -c {size}; echo; echo the end")
    assert workstation.wait(run_id).status == "done"
    log = workstation.shed.run_dir(run_id) / "log"
    shown = workstation.type("runs", "logs", str(run_id), "-n", "1")
    assert shown.lines[0]["text"] == "the end"
    return log.stat().st_blocks * 512


def test_a_child_that_writes_200_mb_leaves_a_log_of_bounded_size(workstation: Workstation) -> None:
    assert chatter(workstation, "200M") < 80 << 20


@pytest.mark.slow
def test_a_child_that_writes_a_gigabyte_leaves_a_log_of_bounded_size(workstation: Workstation) -> None:
    assert chatter(workstation, "1G") < 80 << 20


@pytest.fixture
def small_disk(workstation: Workstation) -> Iterator[Path]:
    """The workstation's shed on a disk of 40 MB."""
    folder = workstation.folder / "shed"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a small disk: {mounted.stderr.strip()}")
    yield folder
    agent = workstation.agent()
    if agent is not None:
        processes.signal(agent, signal.SIGKILL)
        until(lambda: not processes.alive(agent))
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_fails_a_run_in_words_and_the_next_one_goes_well(
    workstation: Workstation, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    run_id = workstation.execute(f"head -c 60M /dev/zero > {filler}; echo written; exit 9")
    until(lambda: filler.exists() and filler.stat().st_size > 30 << 20)
    agent = workstation.agent()
    assert agent is not None
    until(lambda: not leases.holders(workstation.shed))
    filler.unlink()
    run = workstation.wait(run_id)
    assert run.status == "failed"
    assert workstation.wait(workstation.execute("true")).status == "done"


def test_a_process_that_cannot_do_its_work_is_not_started_over_and_over(workstation: Workstation) -> None:
    sweep = write_sweeps.create(workstation.shed, name=None, project="p", project_dir="/p", plan={})
    shutil.rmtree(workstation.shed.sweep_dir(sweep.id or 0))
    workstation.shed.sweep_dir(sweep.id or 0).write_text("no directory")
    began = time.monotonic()
    for _ in range(4):  # each of them wakes the agent again and again
        workstation.wait(workstation.execute("true"))
    (log,) = workstation.folder.glob("state/trainshed/agents/*/agent.log")
    tries = log.read_text().count("sweep 1 goes on")
    assert 1 <= tries <= 1 + (time.monotonic() - began) / AGAIN_S
