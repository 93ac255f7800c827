"""SQL that would run for an hour is stopped by Ctrl-C like everything else, wherever it runs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.journeys.conftest import Workstation
from tests.waiting import until

# 20 million rows in no time, as long as nobody asks for the column z. `prepare` does: it writes all columns down.
LONG = """files = "data/*.csv"
query = "select d.*, list_sum(list_transform(range(2000), lambda x: x * b + r.range)) as z from data d, range(50000) r"
"""
ASKED = """[checks]
sql = { "z is not negative" = "select * from data where z < 0" }"""


@pytest.fixture
def slow(tiny: Path) -> Path:
    path = tiny / "trainshed.toml"
    path.write_text(path.read_text().replace('files = "data/*.csv"\n', LONG))
    return tiny


def seconds(process: psutil.Process) -> float:
    return float(sum(process.cpu_times()[:2]))


@pytest.mark.parametrize("stage", ["validate", "prepare"])
def test_a_stage_that_is_deep_in_sql_stops(workstation: Workstation, slow: Path, stage: str) -> None:
    if stage == "validate":
        path = slow / "trainshed.toml"
        path.write_text(path.read_text().replace("[checks]", ASKED))
    process = workstation.start("--batch", "-p", slow, "--json")
    assert process.stdout is not None
    while f'"{stage}", "status": "running"' not in (line := process.stdout.readline()):
        assert line, process.communicate()
    running = psutil.Process(process.pid)
    before = seconds(running)
    until(lambda: seconds(running) > before + 0.5)
    family = [running, *running.children(recursive=True)]
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    ended = workstation.ended(process)
    assert time.monotonic() - asked < 20  # a second, on an idle machine
    assert (ended.code, ended.finished["status"]) == (130, "stopped"), ended.told
    assert not [one for one in family if one.is_running()]


def test_a_profile_that_is_deep_in_sql_stops(workstation: Workstation, slow: Path) -> None:
    workstation.type("data", "add", "-p", slow)
    process = workstation.start("data", "profile", "-p", slow, "--query-view", "--json")
    running = psutil.Process(process.pid)
    until(lambda: seconds(running) > 4)  # far more than the start takes
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert workstation.ended(process).code == 130
    assert time.monotonic() - asked < 20
