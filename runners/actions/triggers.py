"""The verbs of triggers: add those of a project, list, pause, resume, fire, try out, approve, and what they noticed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.agency import starting
from runners.agency.home import Home
from runners.alerting import addresses
from runners.monitoring.harm import ColumnHarm
from runners.opening import manifest_of
from runners.triggers import (
    acting,
    committed,
    drifting,
    leaving_out,
    new_data,
    orders,
    performing,
    policy,
    process,
    schedule,
)
from runners.triggers.inspecting import Inspector
from runners.triggers.orders import Orders
from storage.errors import UsageError, nearest
from storage.globs import WILD, Found, expand
from storage.project import ProjectSpec, load_project
from storage.read import datasets as read_datasets
from storage.read import triggers as read_triggers
from storage.read.triggers import FiringRow
from storage.shed import Shed, current_user
from storage.tables import Run, Trigger
from storage.trigger_section import TriggerSection
from storage.write import triggers as write_triggers

SHOWN = 10


@dataclass(frozen=True)
class AddedTriggers:
    """The triggers of a project that watch now. `forgotten` are names that its file has no more; they are paused."""

    added: list[Trigger]
    new: list[str]
    forgotten: list[str]
    agent_started: bool
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tried:
    """What a trigger would do now, a line each; nothing of it was done."""

    trigger: Trigger
    lines: list[str]


@dataclass(frozen=True)
class Fired:
    """A firing by hand, and the run that it queued, or `joined`: one at work that learns from the same."""

    firing: FiringRow
    run: Run | None
    joined: bool = False

    @property
    def told(self) -> str:
        if self.run is None:
            return self.firing.firing.outcome
        if self.joined:
            return f"run {self.run.id} learns from the same already"
        return f"run {self.run.id} is queued"


def add(shed: Shed, project_dir: Path, names: Sequence[str] = ()) -> AddedTriggers:
    """Have your agent watch for the triggers of a project (or some of them) as its file says now.

    Raises:
        UsageError: for a name that the file does not have, or a file without triggers.
        DataInvalid: when the files of the project as they are cannot be read.
    """
    spec = load_project(project_dir)
    known = {trigger.called: trigger for trigger in spec.trigger}
    if not known:
        todo = 'add [[trigger]] with on = "new-data", then this again'
        raise UsageError("the project has no [[trigger]]", place=str(project_dir / "trainshed.toml"), todo=todo)
    for name in names:
        if name not in known:
            raise UsageError(f'no [[trigger]] "{name}"', expected=", ".join(known), todo=nearest(name, known))
    home, env = Home(shed), dict(os.environ)
    warnings = addresses.keep(home, spec.project.name, spec.alerts, project_dir, env)
    added, new = [], []
    for name in names or known:
        given = Orders(project_dir, known[name], env)
        if given.spec.on == "code":
            committed.head(project_dir, given.spec.branch)  # raises where there is nothing to watch
        trigger, is_new = write_triggers.register(
            shed,
            name=name,
            project=spec.project.name,
            project_dir=str(project_dir),
            kind=given.spec.on,
            spec=orders.said(given.spec),
            request=orders.keep(home, given),
        )
        warnings += _warnings(spec, given.spec)
        _begin(shed, trigger, given, spec)
        added.append(trigger)
        new += [name] if is_new else []
    return AddedTriggers(added, new, _forgotten(shed, project_dir, set(known)), starting.ensure(shed), warnings)


def _warnings(spec: ProjectSpec, trigger: TriggerSection) -> list[str]:
    """What a person will wonder at."""
    patterns = [glob for globs in spec.dataset.globs.values() for glob in globs]
    if trigger.on != "new-data" or any(WILD.search(pattern) for pattern in patterns):
        return []
    unnoticed = "a new one beside it goes unnoticed, unless a pattern such as data/*.csv takes it in"
    return [f"[dataset] names no files but {', '.join(patterns)}: {unnoticed}"]


def _begin(shed: Shed, trigger: Trigger, given: Orders, spec: ProjectSpec) -> None:
    """What is there now is not new to a trigger that watches for the first time."""
    if read_triggers.history(shed, trigger_id=trigger.id, limit=1):
        return
    if given.spec.on == "new-data":
        new_data.baseline(shed, trigger, given, spec)
    elif given.spec.on == "code":
        commit, title = committed.head(given.project_dir, given.spec.branch)
        committed.notice(shed, trigger.id or 0, given, commit, title, "begin")


def _forgotten(shed: Shed, project_dir: Path, known: set[str]) -> list[str]:
    gone = []
    for row in read_triggers.every(shed):
        trigger = row.trigger
        mine = trigger.user == current_user() and trigger.project_dir == str(project_dir)
        if mine and trigger.status == "active" and trigger.name not in known:
            write_triggers.pause(shed, trigger.id or 0, "the project's file has it no more")
            gone.append(trigger.name)
    return gone


def watched(shed: Shed) -> bool:
    """Whether the process that watches for your triggers lives."""
    return process.lives(shed)


def history(shed: Shed, which: str | None = None, *, project: str | None = None, limit: int = 50) -> list[FiringRow]:
    """What triggers noticed and what came of it, the newest first. Raises UsageError when there is no such trigger."""
    trigger = read_triggers.find(shed, which, project=project) if which is not None else None
    return read_triggers.history(
        shed, trigger_id=trigger.id if trigger else None, project=None if trigger else project, limit=limit
    )


def pause(shed: Shed, which: str, *, project: str | None = None) -> Trigger:
    """It notices nothing until it is resumed, by whom ever. Raises UsageError when there is no such trigger."""
    trigger = read_triggers.find(shed, which, project=project)
    if trigger.status == "paused":
        raise UsageError(f"{trigger.name} is paused already")
    write_triggers.pause(shed, trigger.id or 0, f"paused by {current_user()}")
    return trigger


def resume(shed: Shed, which: str, *, project: str | None = None) -> Trigger:
    """It watches again; what happened meanwhile to files counts, what a schedule missed does not.

    Raises:
        UsageError: when there is no such trigger, it is not paused, or is somebody else's.
    """
    trigger = _mine(shed, which, project)
    if trigger.status == "active":
        raise UsageError(f"{trigger.name} is active already")
    orders.find(Home(shed), trigger)
    write_triggers.resume(shed, trigger.id or 0)
    starting.ensure(shed)
    return trigger


def fire(shed: Shed, which: str, *, project: str | None = None) -> Fired:
    """Do now what the trigger would do, on the files as they are: a person takes files of another schema as meant.

    Raises:
        UsageError, DataInvalid: when there is no such trigger, it is somebody else's, or its run could not be started.
    """
    trigger = _mine(shed, which, project)
    given = orders.find(Home(shed), trigger)
    kept = {path: entry for path, entry in trigger.left_out.items() if entry.get("kind") != "schema"}
    if kept != trigger.left_out:
        write_triggers.remark(shed, trigger.id or 0, trigger.note, kept)
        trigger = read_triggers.trigger(shed, trigger.id or 0)
    firing = write_triggers.notice(
        shed,
        trigger.id or 0,
        f"{acting.BY_HAND} {time.time_ns()}",
        decision="retrain",
        why=f"fired by {current_user()}",
        evidence={},
        by_hand=True,
    )
    assert firing is not None and firing.id is not None
    try:
        run = acting.launch(shed, trigger, given, firing)
    except BaseException as err:
        write_triggers.end(shed, firing.id, f"could not start: {err}")
        raise
    starting.ensure(shed)
    row = read_triggers.firing(shed, firing.id)
    began = read_triggers.of_run(shed, run.id or 0) if run is not None else None
    return Fired(row, run, began is not None and began.firing.id != firing.id)


def approve(shed: Shed, firing_id: int) -> FiringRow:
    """Say yes to a firing that waits for a person; its user's agent launches the run.

    Raises:
        UsageError: when there is no such firing, or it does not wait.
    """
    read_triggers.firing(shed, firing_id)
    write_triggers.approve(shed, firing_id)
    starting.ensure(shed)
    return read_triggers.firing(shed, firing_id)


def dismiss(shed: Shed, firing_id: int) -> FiringRow:
    """Say no to it. Raises UsageError as `approve`."""
    if read_triggers.firing(shed, firing_id).firing.status != "waiting":
        raise UsageError(f"firing {firing_id} does not wait for anybody")
    write_triggers.end(shed, firing_id, f"dismissed by {current_user()}")
    return read_triggers.firing(shed, firing_id)


def attempt(shed: Shed, which: str, *, project: str | None = None) -> Tried:
    """Say what a trigger sees and would do now, without doing it.

    Raises:
        UsageError: when there is no such trigger, or its project cannot be read.
    """
    trigger = read_triggers.find(shed, which, project=project)
    spec = orders.settings(trigger)
    lines = [f"it is paused: {trigger.reason}"] if trigger.status == "paused" else []
    if spec.on == "schedule" and spec.cron is not None:
        at = trigger.next_at or schedule.following(spec.cron, spec.timezone, time.time())
        for _ in range(3):
            lines.append(f"due at {schedule.told(at, spec.timezone)}")
            at = schedule.following(spec.cron, spec.timezone, at)
    elif spec.on == "code":
        commit, title = committed.head(Path(trigger.project_dir), spec.branch)
        seen = read_triggers.has_noticed(shed, trigger.id or 0, f"commit {commit}")
        lines.append(f"{'seen already' if seen else 'new'}: commit {commit[:10]} {title}")
    elif spec.on == "drift":
        lines += _drift_now(shed, trigger, spec)
    elif spec.on == "performance":
        lines += _performance_now(shed, trigger, spec)
    else:
        lines += _files_now(shed, trigger)
    begun = read_triggers.runs_since(shed, trigger.id or 0, time.time() - policy.DAY_S)
    verdict = policy.verdict(spec, begun, time.time())
    lines.append(f"a run may begin now: {spec.do}" if verdict.allowed else f"no run may begin now: {verdict.why}")
    return Tried(trigger, lines)


def _drift_now(shed: Shed, trigger: Trigger, spec: TriggerSection) -> list[str]:
    project = load_project(Path(trigger.project_dir))
    measured = drifting.measure(shed, project, spec)
    if measured is None:
        return [drifting.lacking(shed, project, spec)]
    shifted = measured.shifted(spec)
    lines = [drifting.told(measured, shifted)] if shifted else [f"no column has shifted: {measured.of}"]
    if measured.predictions is not None:
        lines.append(f"predictions: PSI {measured.predictions.psi:.3f}, p {measured.predictions.p:.2g}")
    return lines + [_told(each) for each in measured.columns[:SHOWN]]


def _performance_now(shed: Shed, trigger: Trigger, spec: TriggerSection) -> list[str]:
    project = load_project(Path(trigger.project_dir))
    judged = performing.judge(shed, project, spec)
    if judged is None:
        return [performing.lacking(shed, project, spec)]
    if not judged.bad(spec.drop):
        return [judged.told]
    return [judged.told, f"it lost {judged.performance.loss:.3f}, at least {spec.drop:g}: it would fire"]


def _told(each: ColumnHarm) -> str:
    moved = each.drift
    leans = f", importance {each.importance:.4f}" if each.importance is not None else ""
    return f"{moved.column}: PSI {moved.psi:.3f}, JS {moved.js:.3f}, p {moved.p:.2g}{leans}"


def _files_now(shed: Shed, trigger: Trigger) -> list[str]:
    project_dir = Path(trigger.project_dir)
    spec = load_project(project_dir)
    found: dict[tuple[str, str], Found] = {}
    for table, globs in spec.dataset.globs.items():
        name = table if spec.dataset.kind == "table" else "files"
        found |= {(name, path): file for path, file in expand(project_dir, globs).items()}
    stats = {key: (file[1], file[2], file[3], file[4]) for key, file in found.items()}
    last = read_triggers.last_with_data(shed, trigger.id or 0)
    known, by_stat = None, set()
    if last is not None and last.dataset_version_id is not None:
        known = manifest_of(shed, read_datasets.version_by_id(shed, last.dataset_version_id)[1])
        by_stat = leaving_out.known_by_stat(shed, spec.dataset.name, project_dir, known, stats)
    new = sorted(stats.keys() - by_stat)
    if not new:
        return [f"no file is new, of {len(stats):,}"]
    with Inspector() as inspector:
        looked = leaving_out.sort_out(found, new, known, inspector, tables=spec.dataset.kind == "table")
    lines = [f"{path}: new or changed, and whole" for _, path in looked.good]
    lines += [f"{path}: {why}" for (_, path), why in looked.unfinished.items()]
    lines += [f"{path}: would be left out: {why}" for (_, path), (_, why) in looked.bad.items()]
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN:,} more files"] if len(lines) > SHOWN else [])


def _mine(shed: Shed, which: str, project: str | None) -> Trigger:
    trigger = read_triggers.find(shed, which, project=project)
    if trigger.user != current_user():
        raise UsageError(
            f"{trigger.name} is {trigger.user}'s",
            expected="one of yours: a run is as the person who asks for it",
            todo=f"`trainshed triggers add -p {trigger.project_dir}` gives you one of your own",
        )
    return trigger
