"""Files dropped while what watches is stopped, deafened or killed: one run for each set of whole contents."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path

import pytest

from runners.opening import manifest_of
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage.read import datasets as read_datasets
from storage.read import triggers as read_triggers
from storage.read.triggers import FiringRow
from storage.shed import current_user
from storage.tables import Firing
from tests.journeys.conftest import Workstation, tiny, workstation
from tests.points import write_points
from tests.waiting import until

__all__ = ["tiny", "workstation"]

NOTIFY = '[[trigger]]\non = "new-data"\nquiet_seconds = 0.4\nmost_a_day = 1000\ndo = "notify"\n'
MOST_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
RETRAIN = NOTIFY.replace('"notify"', '"retrain"')


def add(workstation: Workstation, project: Path, text: str = NOTIFY) -> None:
    path = project / "trainshed.toml"
    path.write_text(path.read_text() + text)
    added = workstation.type("triggers", "add", "-p", project)
    assert added.code == 0, added.told


def taken(workstation: Workstation) -> list[Firing]:
    """What was acted on, the oldest first, without the beginning."""
    rows = read_triggers.history(workstation.shed, limit=1000)
    return [row.firing for row in reversed(rows) if row.firing.decision in ("notify", "retrain")]


def paths_of(workstation: Workstation, firing: Firing) -> set[str]:
    shed = workstation.shed
    version = read_datasets.version_by_id(shed, firing.dataset_version_id or 0)[1]
    return {Path(entry.path).name for entry in manifest_of(shed, version).entries()}


def settled(workstation: Workstation, names: set[str]) -> list[Firing]:
    """Wait until what was taken last has exactly these files."""
    return until(lambda: (found := taken(workstation)) and paths_of(workstation, found[-1]) == names and found, 60)


def kill(workstation: Workstation, *names: str) -> None:
    """kill -9 the agent (`agent.json`) or what watches (`triggers.json`)."""
    for name in names:
        for path in (workstation.folder / "state").glob(f"trainshed/agents/*/{name}"):
            processes.signal(Identity.from_json(json.loads(path.read_bytes())), signal.SIGKILL)


def test_a_trigger_that_feeds_itself_is_paused_with_an_alert(workstation: Workstation, tiny: Path) -> None:
    pipeline = tiny / "pipeline.py"
    feeds = f"""
    import time, random
    with open({str(tiny / "data" / "fed.csv")!r}, "a") as file:
        file.write(f"{{random.random()}},0.1,x,1\\n")
"""
    pipeline.write_text(pipeline.read_text().replace("    return model", feeds + "    return model"))
    write_points(tiny / "data" / "fed.csv", rows=20, seed=4)
    add(workstation, tiny, RETRAIN + "most_in_a_row = 2\n")
    write_points(tiny / "data" / "two.csv", rows=20, seed=2)
    (row,) = until(lambda: [row for row in read_triggers.every(workstation.shed) if row.trigger.status == "paused"], 90)
    assert "it seems to feed itself" in row.trigger.reason and row.runs == 2
    alerts = workstation.type("alerts", "list", "-p", tiny)
    assert any(line.get("severity") == "critical" and "paused" in line["title"] for line in alerts.lines[:-1])


def test_events_that_the_kernel_drops_lose_no_file(workstation: Workstation, tiny: Path) -> None:
    add(workstation, tiny)
    (told,) = until(lambda: list((workstation.folder / "state").glob("trainshed/agents/*/triggers.json")))
    until(lambda: any(row.trigger.note == "" and row.last for row in read_triggers.every(workstation.shed)))
    watcher = Identity.from_json(json.loads(told.read_bytes()))
    processes.signal(watcher, signal.SIGSTOP)
    try:
        one, other = tiny / "data" / "a.tmp", tiny / "data" / "b.tmp"
        one.touch()
        for _ in range(int(MOST_EVENTS.read_text()) // 4 + 100):  # each is four events; further ones are dropped
            one.rename(other)
            other.rename(one)
        write_points(tiny / "data" / "two.csv", rows=20, seed=2)
    finally:
        processes.signal(watcher, signal.SIGCONT)
    found = settled(workstation, {"one.csv", "two.csv"})
    assert [firing.why for firing in found] == ["data/two.csv added, +20 rows"]


def storm(workstation: Workstation, project: Path, seed: int, steps: int) -> None:
    """Files come whole or half, are overwritten, renamed and deleted; agent and watcher are killed in between."""
    rng, pause, data = random.Random(seed), threading.Event(), project / "data"
    for step in range(steps):
        name = data / f"f{rng.randrange(4)}.csv"
        match rng.randrange(6):
            case 0 | 1:
                write_points(name.with_suffix(".part"), rows=20 + step, seed=step)
                name.with_suffix(".part").rename(name)
            case 2:
                name.write_text("a,b,kind,label\n1,2,x")
            case 3 if name.exists():
                name.rename(data / f"f{rng.randrange(4)}.csv")
            case 4:
                kill(workstation, "triggers.json")
            case 5:
                kill(workstation, "agent.json")
        pause.wait(rng.uniform(0, 0.6))


def run_storm(workstation: Workstation, tiny: Path, seed: int, steps: int) -> list[FiringRow]:
    add(workstation, tiny, RETRAIN + "most_in_a_row = 1000\n")
    storm(workstation, tiny, seed, steps)
    for path in (tiny / "data").glob("f*.csv"):
        write_points(path, rows=30, seed=1000 + int(path.stem[1:]))
    write_points(tiny / "data" / "last.csv", rows=10, seed=77)
    workstation.type("agent", "start")
    names = {path.name for path in (tiny / "data").glob("*.csv")}
    settled(workstation, names)
    shed = workstation.shed
    until(lambda: not read_triggers.open_firings(shed, current_user(), os.uname().nodename), 90)
    return [row for row in read_triggers.history(shed, limit=1000) if row.firing.decision == "retrain"]


def check_storm(workstation: Workstation, rows: list[FiringRow]) -> None:
    """Each set of contents has one firing, each firing one run, and no run was of a half-written file."""
    shed = workstation.shed
    assert len({row.firing.key for row in rows}) == len(rows)
    runs = [row.firing.run_id for row in rows]
    assert None not in runs and len(set(runs)) == len(runs)
    for row in rows:
        version = read_datasets.version_by_id(shed, row.firing.dataset_version_id or 0)[1]
        for entry in manifest_of(shed, version).entries():
            assert (entry.rows or 0) >= 10, entry


def test_whatever_is_killed_each_set_of_contents_runs_once(workstation: Workstation, tiny: Path) -> None:
    workstation.slots(2)
    check_storm(workstation, run_storm(workstation, tiny, seed=1, steps=12))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 7))
def test_in_long_storms_too(workstation: Workstation, tiny: Path, seed: int) -> None:
    workstation.slots(2)
    check_storm(workstation, run_storm(workstation, tiny, seed=seed, steps=60))
