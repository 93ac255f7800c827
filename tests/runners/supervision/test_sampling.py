"""A run is sampled from outside: its processes, the machine, the disk."""

from __future__ import annotations

import json
import math
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from runners.gpus import open_gpus
from runners.supervision.processes import end_group, identify
from runners.supervision.processes import signal as send
from runners.supervision.sampling import GroupUse, MachineUse, Sampler
from tests.waiting import until

MIB = 1 << 20
BUSY = "while True: pass"
HOLDS_MEMORY = """
import subprocess, sys, signal
held = bytearray(b"x" * (100 << 20))
child = subprocess.Popen([sys.executable, "-c", "held = bytearray(b'x' * (100 << 20)); print(flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(flush=True)
signal.pause()
"""
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def _start(code: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        return process

    yield _start
    for process in started:
        end_group(identify(process.pid), grace_s=0)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def series(folder: Path) -> list[dict[str, float]]:
    """The records of the only group in `folder`, each with its `step` and `time`."""
    listing = folder / "groups.jsonl"
    if not listing.exists():
        return []
    (line,) = listing.read_text().splitlines()
    names = json.loads(line)["names"]
    data = (folder / "g0.bin").read_bytes() if (folder / "g0.bin").exists() else b""
    layout = struct.Struct(f"<qd{len(names)}d")
    whole = len(data) // layout.size * layout.size
    return [dict(zip(["step", "time", *names], row, strict=True)) for row in layout.iter_unpack(data[:whole])]


def more_than(folder: Path, count: int) -> list[dict[str, float]]:
    found = series(folder)
    return found if len(found) > count else []


def sample_once(sampler: Sampler) -> None:
    sampler.start()
    until(lambda: sampler.peak_rss_bytes)
    sampler.stop()


def test_a_busy_process_shows_in_the_processor_time(start: Start) -> None:
    use = GroupUse(identify(start(BUSY).pid))
    use.read()
    assert until(lambda: use.read()["cpu/percent"]) > 0
    assert len(use.members) == 1


def test_memory_is_that_of_the_child_and_all_it_started(start: Start) -> None:
    process = start(HOLDS_MEMORY)
    assert process.stdout is not None
    process.stdout.readline()
    use = GroupUse(identify(process.pid))
    assert 200 * MIB < use.read()["memory/rss_bytes"] < 300 * MIB
    assert len(use.members) == 2


def test_a_process_that_starts_or_ends_later_is_noticed(start: Start) -> None:
    process = start(
        "import subprocess, sys; input_ = sys.stdin\n"
        "for _ in range(2):\n"
        "    subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    )
    use = GroupUse(identify(process.pid))

    def _grandchild() -> int:
        use.read()
        return next((pid for pid in use.members if pid != process.pid), 0)

    first = until(_grandchild)
    assert send(identify(first), signal.SIGKILL)
    assert until(lambda: (found := _grandchild()) != first and found)


def test_strangers_do_not_count(start: Start) -> None:
    stranger = start(BUSY)
    use = GroupUse(identify(start("import signal; signal.pause()").pid))
    for _ in range(2):
        use.read()
    assert stranger.pid not in use.members


def test_the_machine_is_described_in_plausible_numbers(tmp_path: Path) -> None:
    use = MachineUse(tmp_path)
    values = until(lambda: [found for found in [use.read()] if not math.isnan(found["cpu/system_percent"])])[0]
    assert 0 <= values["cpu/system_percent"] <= 100
    assert values["memory/system_used_bytes"] > MIB
    assert values["disk/free_bytes"] > 0
    assert values["disk/used_bytes"] > 0


def test_samples_are_a_series_in_system_and_later_attempts_go_on_with_it(tmp_path: Path, start: Start) -> None:
    leader = identify(start(BUSY).pid)
    first_at = time.time() - 100
    rows: list[dict[str, float]] = []
    for _attempt in (1, 2):
        known = len(rows)
        sample_once(Sampler(leader, tmp_path, first_at=first_at, gpu_indices=()))
        rows = until(partial(more_than, tmp_path / "system", known))
    assert len({row["time"] for row in rows}) == len(rows)
    assert rows[0]["step"] >= 100
    assert rows[-1]["memory/rss_bytes"] > MIB
    assert not any(name.startswith("gpu") for name in rows[0])


def test_a_sampler_that_never_started_can_be_stopped(tmp_path: Path, start: Start) -> None:
    Sampler(identify(start(BUSY).pid), tmp_path, first_at=0.0).stop()
    assert not (tmp_path / "system").exists()


def test_a_full_disk_costs_the_series_and_nothing_else(tmp_path: Path, start: Start) -> None:
    (tmp_path / "system").write_text("a file where the directory should be")
    sampler = Sampler(identify(start(BUSY).pid), tmp_path, first_at=0.0, gpu_indices=())
    sampler.start()
    sampler.stop()


def test_gpus_that_are_not_asked_for_are_not_opened() -> None:
    assert open_gpus([]) == []


@pytest.mark.gpu
def test_a_gpu_tells_its_use_memory_power_and_temperature() -> None:
    gpus = open_gpus(None)
    if not gpus:
        pytest.skip("no NVIDIA GPU here")
    values = gpus[0].read(set())
    assert 0 <= values["gpu0/utilization_percent"] <= 100
    assert values["gpu0/memory_used_bytes"] > 0
    assert values["gpu0/memory_ours_bytes"] == 0
    assert values["gpu0/temperature_c"] > 0
