"""What happens to triggers and their firings, written down as it happens."""

from __future__ import annotations

import socket
import time
from typing import Any

from sqlmodel import and_, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from storage.errors import UsageError
from storage.shed import Shed, current_user
from storage.tables import AT_WORK, Firing, Run, Trigger
from storage.write.queue import Ask, insert_queued
from storage.write.runs import NewRun

VERDICTS = ("done", "refused", "waiting")


def register(
    shed: Shed, *, name: str, project: str, project_dir: str, kind: str, spec: dict[str, Any], request: str
) -> tuple[Trigger, bool]:
    """Record a trigger, or give the one of this name its new orders; it is active from now on.

    Returns it, and whether it is new.
    """
    user, host = current_user(), socket.gethostname()
    with shed.writing("trigger added", f"project {project}") as write:
        trigger = write.session.exec(
            select(Trigger).where(
                Trigger.user == user,
                Trigger.host == host,
                Trigger.project_dir == project_dir,
                Trigger.name == name,
            )
        ).first()
        is_new = trigger is None
        if trigger is None:
            trigger = Trigger(
                name=name, project=project, project_dir=project_dir, user=user, host=host,
                kind=kind, status="active", spec=spec, request=request, created_at=time.time(),
            )  # fmt: skip
        if trigger.spec != spec:
            trigger.next_at = None
        trigger.kind, trigger.spec, trigger.request, trigger.project = kind, spec, request, project
        trigger.status, trigger.reason, trigger.note = "active", "", ""
        write.session.add(trigger)
        write.session.flush()
        write.subject = f"trigger {trigger.id}"
        write.detail.update(name=name, project=project, kind=kind)
    return trigger, is_new


def pause(shed: Shed, trigger_id: int, reason: str) -> None:
    """It notices nothing from now on."""
    _set_status(shed, trigger_id, "paused", reason)


def resume(shed: Shed, trigger_id: int) -> None:
    _set_status(shed, trigger_id, "active", "")


def _set_status(shed: Shed, trigger_id: int, status: str, reason: str) -> None:
    with shed.writing(f"trigger {status}", f"trigger {trigger_id}") as write:
        trigger = write.session.get_one(Trigger, trigger_id)
        trigger.status, trigger.reason, trigger.note = status, reason, ""
        if status == "active":
            trigger.next_at = None  # what was due while it was paused is not caught up
        write.session.add(trigger)
        write.detail.update(reason=reason)


def due(shed: Shed, trigger_id: int, next_at: float) -> None:
    """When a schedule is due next."""
    with shed.writing("trigger scheduled", f"trigger {trigger_id}") as write:
        trigger = write.session.get_one(Trigger, trigger_id)
        trigger.next_at = next_at
        write.session.add(trigger)


def remark(shed: Shed, trigger_id: int, note: str, left_out: dict[str, Any] | None = None) -> None:
    """What a trigger waits for or warns of, and the files that it leaves out."""
    with shed.writing("trigger noted", f"trigger {trigger_id}") as write:
        trigger = write.session.get_one(Trigger, trigger_id)
        trigger.note = note
        if left_out is not None:
            trigger.left_out = left_out
        write.session.add(trigger)


def notice(
    shed: Shed,
    trigger_id: int,
    key: str,
    *,
    decision: str,
    why: str,
    evidence: dict[str, Any],
    version_id: int | None = None,
    next_at: float | None = None,
    by_hand: bool = False,
) -> Firing | None:
    """Record that a trigger noticed something; None when it has noticed the same before, or is paused.

    `next_at` of a schedule is moved in the same transaction, so that nothing is due twice. What a person does
    `by_hand` counts although the trigger is paused.
    """
    with shed.writing(f"trigger fired: {decision}", f"trigger {trigger_id}") as write:
        trigger = write.session.get_one(Trigger, trigger_id)
        if trigger.status == "paused" and not by_hand:
            write.action = "trigger noticed something while it was paused"
            return None
        if next_at is not None:
            trigger.next_at = next_at
            write.session.add(trigger)
        known = select(Firing).where(Firing.trigger_id == trigger_id, Firing.key == key)
        if write.session.exec(known).first() is not None:
            write.action = "trigger noticed the same again"
            return None
        acts = decision in ("retrain", "wait", "notify")
        now = time.time()
        firing = Firing(
            trigger_id=trigger_id,
            key=key,
            at=now,
            by=current_user(),
            status="seen" if acts else "done",
            decision=decision,
            why=why,
            evidence=evidence,
            dataset_version_id=version_id,
            ended_at=None if acts else now,
        )
        write.session.add(firing)
        write.session.flush()
        write.detail.update(firing=firing.id, why=why)
    return firing


def measured(shed: Shed, firing_id: int, told: str, shift: dict[str, Any]) -> None:
    """How far the values that it is about have moved: in the evidence as `shift`, and in words."""
    with shed.writing("firing measured", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        firing.why, firing.evidence = f"{firing.why}; {told}", {**firing.evidence, "shift": shift}
        write.session.add(firing)
        write.detail.update(why=firing.why)


def queue_run(shed: Shed, firing_id: int, new: NewRun, ask: Ask, *, learnt_since: float) -> tuple[Run, bool] | None:
    """Queue the run of a firing, both in one; None when it has one, or was ended meanwhile.

    Where a run that learns from the same is at work, or came to its end since `learnt_since`, the firing joins that.
    Returns the run, and whether it is new.
    """
    with shed.writing("run queued by a trigger", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        if firing.run_id is not None or firing.status == "done":
            write.action = "run of a trigger was queued already"
            return None
        twin = write.session.exec(_twins(new, learnt_since)).first()
        run = twin or insert_queued(write, new, ask)
        firing.status, firing.run_id = "queued", run.id
        firing.dataset_version_id = new.dataset_version_id
        if twin is not None:
            firing.why += f"; joins run {run.id}, which learns from the same"
            write.action = "firing joined a run"
        write.session.add(firing)
        write.subject = f"firing {firing_id}"
        write.detail.update(run=run.id)
    shed.make_dir(shed.run_dir(run.id or 0))
    return run, twin is None


def _twins(new: NewRun, learnt_since: float) -> SelectOfScalar[Run]:
    """Runs of the same identity on this host that are at work, or ended with a verdict since then; the newest first."""
    came_to_its_end = and_(col(Run.status).in_(VERDICTS), col(Run.ended_at) >= learnt_since)
    return (
        select(Run)
        .where(Run.identity == new.identity, Run.host == socket.gethostname(), col(Run.sweep_id).is_(None))
        .where(or_(col(Run.status).in_(AT_WORK), came_to_its_end))
        .order_by(col(Run.id).desc())
    )


def waits_for(shed: Shed, firing_id: int, run_id: int, whose: str) -> None:
    """It waits until a run that another firing set off has ended; said once, for the history."""
    with shed.writing("firing waits for a run", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        firing.why += f"; waits for run {run_id}, which {whose} set off"
        firing.evidence = {**firing.evidence, "waits_for": run_id}
        write.session.add(firing)
        write.detail.update(run=run_id)


def ask_person(shed: Shed, firing_id: int) -> None:
    """The firing waits until somebody approves or dismisses it."""
    with shed.writing("firing waits", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        if firing.status == "seen":
            firing.status = "waiting"
        write.session.add(firing)


def end(shed: Shed, firing_id: int, outcome: str) -> bool:
    """What came of it; returns whether it had not ended before."""
    with shed.writing("firing ended", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        if firing.status == "done":
            write.action = "firing had ended"
            return False
        firing.status, firing.outcome, firing.ended_at = "done", outcome, time.time()
        write.session.add(firing)
        write.detail.update(outcome=outcome)
    return True


def approve(shed: Shed, firing_id: int) -> Firing:
    """A person has said yes: its trigger's user's agent carries it out. Raises UsageError when it does not wait."""
    with shed.writing("firing approved", f"firing {firing_id}") as write:
        firing = write.session.get_one(Firing, firing_id)
        if firing.status != "waiting":
            raise UsageError(f"firing {firing_id} does not wait for anybody")
        firing.status, firing.decision = "seen", "retrain"
        firing.why += f"; approved by {current_user()}"
        write.session.add(firing)
    return firing
