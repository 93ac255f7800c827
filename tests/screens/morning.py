"""A shed as a team finds it on a Monday morning: something in every view, the same on every machine."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from runners import gpus, leases
from runners.actions import datasets
from runners.agency.home import Home
from runners.serving.figures import Figures
from runners.serving.standing import Standing
from runners.supervision.processes import identify
from runners.sweeps.frozen import Frozen, Orders
from runners.userside.series import Writer
from storage.accesses import Access
from storage.metrics import last_values
from storage.rollout_section import CanarySection
from storage.serve_section import ServeSection
from storage.shed import Shed, open_shed
from storage.tables import Firing, ModelVersion, Run, RunMetric
from storage.write import alerts as write_alerts
from storage.write import endpoints as write_endpoints
from storage.write import models as write_models
from storage.write import queue as write_queue
from storage.write import rollouts as write_rollouts
from storage.write import runs as write_runs
from storage.write import seen as write_seen
from storage.write import sweeps as write_sweeps
from storage.write import triggers as write_triggers
from storage.write.queue import Ask
from storage.write.runs import NewRun
from tests.pictures import png
from tests.rivals import LATE, ROWS, hold_out, rival
from tests.runners.sweeps.test_study import search
from tests.scenes import dataset_version_of, run_of
from tests.screens.given import GIB, MONDAY, Clock

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
STAGES = ("validate", "prepare", "train", "evaluate", "package", "gate")
PROJECT = """\
[project]
name = "delays"
[dataset]
name = "flights"
files = "data/*.csv"
[features]
target = "late"
task = "binary"
numeric = ["distance"]
[train]
entry = "pipeline:train"
[train.params]
lr = 0.01
width = 32
epochs = 40
"""
PARAMS = {"lr": 0.01, "width": 32, "epochs": 40}
SPEC = {
    "project": {"name": "delays"},
    "gate": {"metric": "auroc", "slices": ["airport"], "min_slice_rows": 2},
    "train": {"params": PARAMS},
}
LOG = """\
epoch 1  train/loss 0.6931  val/auroc 0.5012
epoch 2  train/loss 0.6402  val/auroc 0.5877
Traceback (most recent call last):
  File "pipeline.py", line 41, in train
    loss = model(batch)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB.
"""
DIFF = """\
diff --git a/pipeline.py b/pipeline.py
@@ -39,3 +39,3 @@ def train(run):
-    batch = rows.sample(256)
+    batch = rows.sample(65536)
     loss = model(batch)
"""
GIT: dict[str, Any] = {
    "commit": "4f2a9c1e" * 5,
    "branch": "main",
    "snapshot": {"files": {"pipeline.py": "d" * 64, "trainshed.toml": "e" * 64}, "skipped": ["data"]},
}
CARRIERS, AIRPORTS = ("UA", "B6", "EV", "DL", "AA"), ("EWR", "JFK", "LGA")
CHECKS = [
    {"name": "at least 100 rows", "on_fail": "stop", "passed": True, "text": "300 rows"},
    {"name": "carrier in", "on_fail": "warn", "passed": False, "count": 20, "text": "AA: none of UA, B6, EV, DL"},
]  # fmt: skip


@dataclass(frozen=True)
class Morning:
    """The shed, and the directory of its project `delays`."""

    shed: Shed
    project: Path


@contextmanager
def morning(folder: Path, clock: Clock) -> Iterator[Morning]:
    """Write it down as it happened, from a week ago until now; a run holds a GPU as long as this lasts."""
    shed, project = open_shed(folder / "shed"), folder / "delays"
    Home(shed).off.touch()  # no agent comes to life
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    _project(project)
    clock.now = MONDAY - 7 * DAY
    _flights(shed, project, rows=200)
    clock.now = MONDAY - 3 * DAY
    _pictures(shed)
    first = _first_version(shed, clock)
    _ended(shed, clock)
    _sweep(shed, clock)
    clock.now = MONDAY - 2 * HOUR
    _flights(shed, project, rows=300)
    second = _second_version(shed, clock)
    _endpoint(shed, first, second, clock)
    _triggers(shed, clock)
    clock.now = MONDAY - 9 * HOUR
    write_seen.look(shed, clock.now)
    at_work = _at_work(shed, clock)
    clock.now = MONDAY - 10 * MINUTE
    lease = leases.take(shed, at_work.id or 0, ["gpu0"], memory=None, user="ana", readings=gpus.readings())
    assert lease is not None
    clock.now = MONDAY
    with lease:
        yield Morning(shed, project)


def _project(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "trainshed.toml").write_text(PROJECT)
    (folder / "pipeline.py").write_text("def train(run):\n    return None\n")


def _flights(shed: Shed, project: Path, *, rows: int) -> None:
    """Flights, 200 a week; with the second week come those of an airline that flies far."""
    lines = ["number,carrier,airport,distance,delay,late"]
    for row in range(rows):
        carrier, airport = CARRIERS[row % (4 if row < 200 else 5)], AIRPORTS[row * 7 % 3]
        distance = 100 + row * 37 % 2400 + (1500 if row >= 200 else 0)
        delay = "" if row % 23 == 0 else str(round(30 * math.sin(row), 1))
        lines.append(f"{row + 1},{carrier},{airport},{distance},{delay},{str(row % 3 == 0).lower()}")
    name = "september.csv" if rows > 200 else "august.csv"
    begin = 200 if rows > 200 else 0
    (project / "data" / name).write_text("\n".join([lines[0], *lines[begin + 1 :]]) + "\n")
    datasets.add(shed, "flights", {"data": ["data/*.csv"]}, project)


def _pictures(shed: Shed) -> None:
    square = png(np.full((8, 8, 3), [200, 120, 40]), 2, [0] * 8)
    names = [f"{kind}/{number}.txt" for kind in ("cat", "dog", "possum") for number in range(1, 5)]
    dataset_version_of(shed, "possum-cam", {**{name: name.encode() for name in names}, "possum/5.png": square})


def _curves(shed: Shed, run_id: int, began: float, *, best: float, epochs: int = 40, clock: Clock) -> None:
    """A loss that falls and a score that rises, an epoch every ten seconds."""
    folder = shed.run_dir(run_id) / "metrics"
    writer = Writer(str(folder), keep=True)
    for epoch in range(1, epochs + 1):
        clock.now = began + 10 * epoch
        fall = math.exp(-epoch / 8)
        writer.log({"train/loss": 0.35 + 0.35 * fall + 0.004 * math.sin(epoch), "epoch": epoch}, 100 * epoch)
        writer.log({"val/auroc": best - 0.2 * fall + 0.003 * math.sin(2 * epoch)}, 100 * epoch)
    writer.close()
    write_runs.progress(shed, run_id, {
        name: RunMetric(
            run_id=run_id, name=name, last=found.last, lowest=found.min, highest=found.max, count=found.count,
            last_step=found.last_step,
        )
        for name, found in last_values(folder).items()
    })  # fmt: skip
    _load(shed, run_id, began, seconds=10 * epochs, clock=clock)


def _load(shed: Shed, run_id: int, began: float, *, seconds: int, clock: Clock) -> None:
    """What it cost the machine."""
    writer = Writer(str(shed.run_dir(run_id) / "system"), keep=True)
    for second in range(0, seconds, 10):
        clock.now = began + second
        wave = math.sin(second / 40)
        writer.log(
            {
                "cpu/percent": 180 + 40 * wave,
                "memory/rss_bytes": 3.2e9 + 4e6 * second,
                "gpu0/utilization_percent": 85 + 8 * wave,
                "gpu0/memory_used_bytes": 40.0 * GIB,
            },
            second,
        )
    writer.close()


def _stages(shed: Shed, run_id: int, began: float, *, until: str = "gate", cached: Sequence[str] = ()) -> None:
    """One after the other, four seconds each and 400 for the training; the last one is under way where it is not the
    gate."""
    at = began
    for name in STAGES[: STAGES.index(until) + 1]:
        took = 0.0 if name in cached else 400.0 if name == "train" else 4.0
        going = name == until != "gate"
        more: dict[str, Any] = {} if going else {"ended_at": at + took}
        if name in cached:
            more["cached_from"] = 1
        if name == "validate":
            more["facts"] = {"checks": CHECKS}
        write_runs.set_stage(shed, run_id, name, status="running" if going else "done", started_at=at, **more)
        at += took


def _finished(shed: Shed, clock: Clock, ago: float, *, auroc: float, **more: Any) -> Run:
    """A run of `delays` that went through."""
    clock.now = began = MONDAY - ago
    run = run_of(shed, "delays", status="running", spec=SPEC, seed=7, **GIT, **more)
    run_id = run.id or 0
    _curves(shed, run_id, began, best=auroc, clock=clock)
    _stages(shed, run_id, began, cached=("validate", "prepare") if run_id > 1 else ())
    write_runs.measured(shed, run_id, {"test/auroc": auroc, "test/accuracy": round(auroc - 0.02, 4)})
    clock.now = began + 420
    write_runs.finish(shed, run_id, "done", 0)
    return run


def _first_version(shed: Shed, clock: Clock) -> ModelVersion:
    """In production."""
    run = _finished(shed, clock, 2 * DAY, auroc=0.7, params=PARAMS, dataset_version_id=1)
    hold_out(shed, run, ROWS, LATE)
    first = rival(shed, run, bias=-1.0)
    write_models.judge(shed, first.id or 0, run.id, passed=True, evidence={"passed": True, "metric": "auroc"})
    write_models.promote(shed, first.id or 0, reason="the first that is better than guessing")
    return first


def _second_version(shed: Shed, clock: Clock) -> ModelVersion:
    """It flips a row, passed the gate and waits for a person."""
    run = _finished(shed, clock, 40 * MINUTE, auroc=0.712, params={**PARAMS, "width": 64}, dataset_version_id=3)
    write_runs.add_note(shed, run.id or 0, "wider: the curve still rises at the end")
    write_runs.add_tag(shed, run.id or 0, "baseline")
    (shed.run_dir(run.id or 0) / "log").write_text(
        "".join(f"epoch {epoch:2d}  train/loss {0.7 - epoch / 120:.4f}\n" for epoch in range(1, 41))
    )
    digest = shed.objects.put_bytes(b"weights" * 1000)
    write_runs.add_artifact(shed, run.id or 0, "model.onnx", digest, 7000)
    hold_out(shed, run, ROWS, LATE)
    second = rival(shed, run, bias=-0.4)
    write_models.set_card(shed, second.id or 0, shed.objects.put_bytes(CARD.encode()))
    write_models.judge(shed, second.id or 0, run.id, passed=True, evidence=EVIDENCE)
    return second


CARD = """\
# delays v2

Which flights arrive more than 15 minutes late?

| metric | v2 | production v1 |
| --- | --- | --- |
| auroc | 0.712 | 0.700 |

Trained on `flights` v2 by **run 10**.
"""
EVIDENCE: dict[str, Any] = {
    "passed": True,
    "metric": "auroc",
    "production_version": 1,
    "verdicts": [
        {"rule": "min", "passed": True, "text": "auroc 0.712, at least 0.62"},
        {"rule": "beat_production_by", "passed": True, "text": "auroc 0.712, production v1 0.700 on the same 6 rows"},
        {"rule": "slices", "passed": True, "text": "worst: airport JFK -0.004, none below -0.03"},
        {"rule": "parity", "passed": True, "text": "packaged differs from trained by 3e-07, at most 1e-04"},
        {"rule": "max_latency_ms", "passed": True, "text": "p99 0.4 ms, at most 5 ms"},
    ],
    "evidence": {
        "difference": {"value": 0.012, "low": 0.006, "high": 0.018},
        "flips": {"rows": 6, "flips": 1, "better": 1, "worse": 0},
        "metrics": {"auroc": 0.712, "accuracy": 0.692, "log_loss": 0.5876},
        "production": {"auroc": 0.7, "accuracy": 0.68, "log_loss": 0.6011},
        "slices": [
            {"column": "airport", "value": "EWR", "rows": 3, "candidate": 0.73, "production": 0.7, "difference": 0.03},
            {"column": "airport", "value": "JFK", "rows": 2, "candidate": 0.7, "production": 0.704,
             "difference": -0.004},
            {"column": "airport", "value": "LGA", "rows": 1, "candidate": 0.5, "production": 0.5, "difference": 0.0},
        ],
    },
}  # fmt: skip


def _sweep(shed: Shed, clock: Clock) -> None:
    """Six trials, the fourth best, one pruned, the last one at work."""
    clock.now = MONDAY - 3 * HOUR
    base = NewRun("delays", "delays", "/projects/delays", "i", "c" * 64, SPEC, {}, PARAMS)
    orders = Orders(search(trials=8, metric="val/auroc"), Frozen(base, "content"), "r" * 64)
    sweep = write_sweeps.create(
        shed, name="lr-sweep", project="delays", project_dir="/projects/delays", plan=orders.to_json()
    )
    values = (0.652, 0.688, 0.601, 0.7204, 0.695, None)
    for number, value in enumerate(values):
        params = {"lr": round(10 ** (-4 + number * 0.6), 5), "width": (16, 32, 64)[number % 3]}
        new = replace(base, name=f"lr-sweep/{number}", params=params, sweep_id=sweep.id, trial=number)
        run = write_sweeps.add_trial(shed, sweep.id or 0, number, params, new, Ask("r" * 64))
        assert run is not None and run.id is not None
        began = MONDAY - 3 * HOUR + number * 15 * MINUTE
        clock.now = began
        write_queue.granted(shed, run.id, identify(os.getpid()).to_json(), ("gpu1",), 1.0)
        epochs = 12 if number == 2 else 20
        _curves(shed, run.id, began, best=value or 0.69, epochs=epochs, clock=clock)
        if value is None:
            write_sweeps.set_trial(shed, sweep.id or 0, number, "running", direction="maximize")
            write_runs.progress(shed, run.id, {}, 0.5, "epoch 20 of 40")
            continue
        write_runs.finish(shed, run.id, "done", 0)
        status = "pruned" if number == 2 else "done"
        write_sweeps.set_trial(
            shed, sweep.id or 0, number, status, direction="maximize", value=value, last_step=100 * epochs
        )


def _ended(shed: Shed, clock: Clock) -> None:
    """One that failed and one that was stopped."""
    clock.now = MONDAY - 5 * HOUR
    params = {"lr": 0.1, "width": 4096, "epochs": 40}
    run = run_of(shed, "delays", status="running", spec=SPEC, params=params, log=LOG.encode(), **GIT, dirty=True)
    (shed.run_dir(run.id or 0) / "diff.patch").write_text(DIFF)
    _curves(shed, run.id or 0, clock.now, best=0.6, epochs=3, clock=clock)
    _stages(shed, run.id or 0, MONDAY - 5 * HOUR, until="train")
    write_runs.set_stage(shed, run.id or 0, "train", status="failed", ended_at=clock.now)
    write_runs.finish(
        shed, run.id or 0, "failed", 1, "CUDA out of memory: pipeline.py:41 wanted 2.5 GiB more", ending="gpu-memory"
    )
    clock.now = MONDAY - 4 * HOUR
    run = run_of(shed, "notebook", status="running", kind="command", project="delays", spec={"command": ["jupyter"]})
    clock.now += 25 * MINUTE
    write_runs.finish(shed, run.id or 0, "stopped", 143, "stopped by ana")


def _at_work(shed: Shed, clock: Clock) -> Run:
    """One trains for four minutes already, two wait."""
    clock.now = began = MONDAY - 250
    params = {"lr": 0.003, "width": 128, "epochs": 40}
    run = run_of(shed, "delays-wide", status="running", project="delays", spec=SPEC, params=params)
    run_id = run.id or 0
    write_runs.supervised_by(shed, run_id, identify(os.getpid()).to_json())
    _curves(shed, run_id, began, best=0.705, epochs=25, clock=clock)
    _stages(shed, run_id, began - 8, until="train")
    clock.now = MONDAY - 3 * MINUTE
    write_runs.progress(shed, run_id, {}, 0.625, "epoch 25 of 40")
    for name, count in (("baseline", 1), ("both-cards", 2)):
        clock.now += MINUTE
        new = NewRun(name, "delays", "/projects/delays", "i", "c" * 64, SPEC, {}, {"lr": 0.01, "width": 32})
        write_queue.enqueue(shed, new, Ask("r" * 64, gpus=count))
    return run


def _endpoint(shed: Shed, first: ModelVersion, second: ModelVersion, clock: Clock) -> None:
    """An endpoint that tries v2 on a fifth of the requests; what it was asked in the last minutes is in its log."""
    clock.now = MONDAY - 30 * MINUTE
    write_endpoints.want(shed, "delays", "delays", "production", 8123, ServeSection().model_dump(mode="json"))
    folder = shed.make_dir(shed.endpoint_dir("delays"))
    log = shed.make_dir(folder / "log")
    head = {"model": "delays", "number": first.number, "digest": first.digest}
    supervisor = identify(os.getpid()).to_json()
    Standing("delays", 8123, "serving", clock.now, supervisor, head, clock.now, swaps=1).write(folder)
    (folder / "log.txt").write_text("08:30:00 delays v1 serves on 127.0.0.1:8123\n08:55:00 canary v2 at 20 %\n")
    Figures(folder / "worker-0.figures")
    with (log / "p-1-1.jsonl").open("w") as file:
        for number in range(60):
            version = second if number % 5 == 0 else first
            told = {
                "id": f"{number:024x}", "at": MONDAY - 5 * (60 - number), "ms": 1.0 + number % 4, "row": 0,
                "version": version.number, "digest": version.digest,
                "route": "canary" if version is second else "predict",
                "out": [{"probability": round(0.5 + 0.4 * math.sin(number), 4)}],
                "rows": [{"distance": 200.0 + 40 * number, "carrier": "UA" if number % 3 else "AA", "day": 3}],
            }  # fmt: skip
            file.write(json.dumps(told) + "\n")
    asked = [
        ("/predict", 200, 213, "app"),
        ("/predict", 422, 118, "app"),
        ("/predict", 401, 104, ""),
        ("/", 404, 31, ""),
    ]
    with (folder / "access-0.jsonl").open("w") as file:
        for number, (path, status, size, token) in enumerate(asked * 5):
            identity = f"{number:024x}" if status == 200 else ""
            access = Access(MONDAY - 400 + 20 * number, "127.0.0.1", "POST", path, status, size, 1.5, identity, token)
            file.write(json.dumps(access.facts()) + "\n")
    clock.now = MONDAY - 5 * MINUTE
    rules = CanarySection(percent=20).model_dump(mode="json")
    begun = write_rollouts.begin(shed, "delays", "canary", "delays", version=second, against=first, rules=rules)
    write_rollouts.routed(shed, begun.id or 0)


def _triggers(shed: Shed, clock: Clock) -> None:
    """One of each kind, what they noticed, and two alerts."""

    def added(kind: str, **spec: Any) -> int:
        trigger, _ = write_triggers.register(
            shed, name=kind, project="delays", project_dir="/projects/delays", kind=kind,
            spec={"on": kind, **spec}, request="r" * 64,
        )  # fmt: skip
        return trigger.id or 0

    clock.now = MONDAY - 7 * DAY
    weekly = added("schedule", cron="0 6 * * mon", timezone="Europe/Berlin")
    files, drift = added("new-data"), added("drift", do="wait", psi=0.2)
    write_triggers.due(shed, weekly, MONDAY + 7 * DAY - 5 * HOUR)
    clock.now = MONDAY - 2 * HOUR
    firing = write_triggers.notice(
        shed,
        files,
        "september",
        decision="retrain",
        why="1 new file, 100 rows more (+50 %)",
        evidence={
            "files": [{"path": "data/september.csv", "change": "added", "rows": 100}],
            "rows": {"data": [200, 300]},
        },
    )
    assert firing is not None
    write_triggers.end(shed, firing.id or 0, "v2 passed the gate and waits for a person")
    with shed.writing("firing began a run", f"firing {firing.id}") as write:
        kept = write.session.get_one(Firing, firing.id)
        kept.run_id = 10
        write.session.add(kept)
    clock.now = MONDAY - 50 * MINUTE
    moved = {"column": "carrier", "psi": 0.31, "js": 0.21, "p": 1e-09, "importance": 0.4, "harm": 0.12}
    evidence = {"model_version": 1, "of": "the last 24 hours", "rows_compared": [200, 60], "drift": [moved]}
    asks = write_triggers.notice(
        shed, drift, "carrier", decision="wait", why="carrier has shifted: PSI 0.31", evidence=evidence
    )
    assert asks is not None
    write_triggers.ask_person(shed, asks.id or 0)
    alert = write_alerts.raise_alert(
        shed, project="delays", key="drift", severity="warning", title="carrier has shifted: PSI 0.31", body="AA is new"
    )
    write_alerts.delivered(shed, alert.id or 0, "sent")
    clock.now = MONDAY - 5 * HOUR + 40
    failed = write_alerts.raise_alert(
        shed, project="delays", key="run", severity="critical", title="run 2 failed: CUDA out of memory"
    )
    write_alerts.not_delivered(shed, failed.id or 0, "no such host: mail.example", MONDAY + MINUTE)
