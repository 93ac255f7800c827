"""`trainshed gpus`: every device with its lease, owner, processes and readings, and who had how much."""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.output import Output
from app.views.gpus import show
from runners import leases
from runners.actions.gpus import overview
from runners.gpus import GpuProcess, Reading
from storage.shed import Shed, current_user
from storage.write import queue as write_queue
from storage.write import runs as write_runs
from storage.write.runs import NewRun
from tests.app.conftest import Call
from tests.lessees import card

GB = 1_000_000_000
CARDS = [
    replace(
        card(0, total=80 * GB, used=41 * GB, computing=(GpuProcess(os.getpid(), 40 * GB),)),
        name="NVIDIA A100",
        utilization_percent=87.0,
        power_w=310.4,
        power_limit_w=400.0,
        temperature_c=61.0,
    ),
    replace(card(1, total=80 * GB, mig=True), name="NVIDIA A100"),
]


def queued(shed: Shed, name: str = "churn", devices: list[str] | None = None) -> int:
    new = NewRun(name=name, project="p", project_dir="/p", identity="i", code="c", spec={}, snapshot={}, params={})
    run = write_queue.enqueue(shed, new, write_queue.Ask(request="r"))
    write_queue.granted(shed, run.id or 0, {}, devices or ["gpu0"], 1.0)
    return run.id or 0


def told(shed: Shed, cards: list[Reading], *, as_json: bool = False) -> str:
    text = io.StringIO()
    out = Output(json_lines=as_json, stdout=text, stderr=text)
    show(out, overview(shed, cards))
    if as_json:
        out.finished(0)
    return text.getvalue()


def test_who_had_a_device_within_the_hour_and_who_has_it_stands_on_one_axis(call: Call, shed: Shed) -> None:
    run_id = queued(shed, devices=["cpu0"])
    write_runs.finish(shed, run_id, "done", 0, "")
    stretches = [line for line in call("gpus", "--json").lines if line["event"] == "stretch"]
    assert [(each["device"], each["run"], each["name"], each["when"]) for each in stretches] == [
        ("cpu0", run_id, "churn", "past")
    ]
    assert "-30 min" in call("gpus").out and "now" in call("gpus").out


def test_without_a_gpu_the_cpu_slots_are_shown_and_that_is_said(call: Call, shed: Shed) -> None:
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    said = call("gpus")
    assert said.code == 0
    assert "no NVIDIA GPU here: runs wait for 2 CPU slots instead; load" in said.out
    assert "cpu1" in said.out and "free" in said.out
    told = call("gpus", "--json")
    assert [line["device"] for line in told.lines[:-1]] == ["cpu0", "cpu1"]
    assert (told.finished["gpus"], told.finished["devices"], told.finished["held"]) == (0, 2, 0)
    assert told.finished["load"] >= 0 and told.finished["cores"] >= 1


def test_a_faulty_settings_file_is_told_with_its_line(call: Call, shed: Shed) -> None:
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slotts = 2\n")
    told = call("gpus")
    assert told.code == 2
    assert "settings.toml:2" in told.err and 'did you mean "cpu_slots"?' in told.err


def test_a_lease_is_shown_with_its_run_owner_and_processes(shed: Shed) -> None:
    run = queued(shed)
    with leases.take(shed, run, ["gpu0"], memory=None, user="ana", readings=CARDS):  # type: ignore[union-attr]
        text = told(shed, CARDS)
        (device, *_rest, finished) = [json.loads(line) for line in told(shed, CARDS, as_json=True).splitlines()]
    line = next(line for line in text.splitlines() if line.startswith("gpu0"))
    for part in ("NVIDIA A100", "87 %", "41.0/80.0 GB", "310/400 W", "61 °C", "ana", f"{run} churn"):
        assert part in line
    assert "gpu1 is divided into MIG instances" in text
    assert "stranger" not in text
    assert device["held"][0] | {"since": ""} == {
        "run": run,
        "name": "churn",
        "project": "p",
        "user": "ana",
        "pid": os.getpid(),
        "memory": None,
        "since": "",
    }
    (process,) = device["processes"]
    assert (process["pid"], process["user"], process["run"]) == (os.getpid(), current_user(), run)
    assert process["memory_bytes"] == 40 * GB and "python" in process["command"]
    assert (device["use_percent"], device["memory_used"], device["temperature_c"]) == (87.0, 41 * GB, 61.0)
    assert (finished["gpus"], finished["held"]) == (2, 1)


def test_runs_that_share_a_gpu_have_a_line_each(shed: Shed) -> None:
    cards = [card(total=80 * GB)]
    first = leases.take(shed, 1, ["gpu0"], memory=10 * GB, user="ana", readings=cards)
    second = leases.take(shed, 2, ["gpu0"], memory=20 * GB, user="bo", readings=cards)
    text = told(shed, cards)
    assert first is not None and second is not None
    assert "ana (10.0 GB)" in text and "bo (20.0 GB)" in text
    assert sum("0 B/80.0 GB" in line or "0.0/80.0 GB" in line for line in text.splitlines()) == 1


def test_a_stranger_is_named_and_said_to_be_waited_for(shed: Shed) -> None:
    text = told(shed, CARDS[:1])
    assert f"(pid {os.getpid()}, {current_user()}) 40 GB, without a lease; runs wait until it is gone" in text
    (device, *_rest) = [json.loads(line) for line in told(shed, CARDS[:1], as_json=True).splitlines()]
    assert device["processes"][0]["run"] is None
    assert f"pid {os.getpid()}" in device["stranger"]


def test_the_processes_of_a_cpu_slot_are_those_of_its_run(shed: Shed) -> None:
    lease = leases.take(shed, 3, ["cpu0"], memory=None, user="ana")
    assert lease is not None
    found = overview(shed, [])
    lease.release()
    processes: dict[int, Any] = {process.pid: process for process in found.devices[0].processes}
    assert processes[os.getpid()].run == 3
    assert (found.devices[0].memory_used or 0) > 1_000_000


def test_hours_are_those_of_seven_days_and_what_fair_share_counts(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for ago_h, length_h in ((2.0, 1.0), (24 * 8.0, 25.0)):  # the second reaches an hour into the seven days
        monkeypatch.setattr(time, "time", lambda ago_h=ago_h: now - ago_h * 3600)
        run = queued(shed, devices=["gpu0", "gpu1"])
        monkeypatch.setattr(time, "time", lambda ago_h=ago_h, length_h=length_h: now - (ago_h - length_h) * 3600)
        write_runs.finish(shed, run, "done", 0)
    monkeypatch.setattr(time, "time", lambda: now)
    (hours,) = overview(shed, []).hours
    assert hours.user == current_user()
    assert round(hours.week, 3) == 4.0
    assert 1.8 < hours.counted < 2.4
    text = told(shed, [])
    assert "device-hours in 7 days" in text and "4.00" in text and "half after 24 h" in text


def test_names_from_outside_reach_no_terminal_as_commands(shed: Shed, tmp_path: Path) -> None:
    cards = [replace(card(total=80 * GB), name="evil\x1b[31m")]
    with leases.take(shed, 1, ["gpu0"], memory=None, user="x\x1b]0;y\x07", readings=cards):  # type: ignore[union-attr]
        text = told(shed, cards)
    assert "\x1b" not in text and "\\x1b[31m" in text
