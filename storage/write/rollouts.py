"""Second versions of endpoints: begun, looked at, and ended with the reason."""

from __future__ import annotations

import time
from typing import Any

from sqlmodel import select

from storage.errors import UsageError
from storage.shed import Shed, current_user
from storage.tables import ModelVersion, Rollout

NAMES = {"canary": "canary", "shadow": "shadow", "ab": "split"}


def begin(
    shed: Shed,
    endpoint: str,
    kind: str,
    model: str,
    *,
    version: ModelVersion,
    against: ModelVersion,
    rules: dict[str, Any],
    override: str = "",
) -> Rollout:
    """Have an endpoint serve `version` beside `against`; it knows within a second.

    Raises:
        UsageError: when another one goes on there.
    """
    assert version.id is not None and against.id is not None
    with shed.writing(f"{kind} started", f"endpoint {endpoint}") as write:
        known = write.session.exec(
            select(Rollout).where(Rollout.endpoint == endpoint, Rollout.status == "going")
        ).first()
        if known is not None:
            raise UsageError(
                f'endpoint "{endpoint}" has a {NAMES[known.kind]} already',
                todo=f"`trainshed endpoints {known.kind} abort {endpoint}` ends it",
            )
        rollout = Rollout(
            endpoint=endpoint, kind=kind, model=model, version_id=version.id, against_id=against.id, rules=rules,
            override=override, status="going", user=current_user(), started_at=time.time(),
        )  # fmt: skip
        write.session.add(rollout)
        write.detail.update(version=version.number, against=against.number, rules=rules, override=override)
    return rollout


def routed(shed: Shed, rollout_id: int) -> None:
    """From now on it is asked: its time begins, once."""
    with shed.writing("second version serves", f"rollout {rollout_id}") as write:
        rollout = write.session.get_one(Rollout, rollout_id)
        rollout.routed_at = rollout.routed_at or time.time()
        write.session.add(rollout)


def looked(shed: Shed, rollout_id: int, looks: int) -> None:
    """It was judged so often, and goes on."""
    with shed.writing("canary judged", f"rollout {rollout_id}") as write:
        rollout = write.session.get_one(Rollout, rollout_id)
        rollout.looks = looks
        write.session.add(rollout)
        write.detail.update(looks=looks)


def end(shed: Shed, rollout_id: int, status: str, reason: str, figures: dict[str, Any]) -> bool:
    """It was `promoted`, `aborted` or has `ended`; False where somebody ended it before."""
    with shed.writing(f"rollout {status}", f"rollout {rollout_id}") as write:
        rollout = write.session.get_one(Rollout, rollout_id)
        if rollout.status != "going":
            write.action = "rollout over already"
            return False
        rollout.status, rollout.reason, rollout.figures, rollout.ended_at = status, reason, figures, time.time()
        write.session.add(rollout)
        write.action, write.subject = f"{rollout.kind} {status}", f"endpoint {rollout.endpoint}"
        write.detail.update(rollout=rollout_id, reason=reason, figures=figures)
    return True
