"""The registry: versions are added, aliases move, and every decision keeps its evidence.

One transaction holds the alias and the decision that moved it, so a power cut leaves the old state or the new one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from storage.errors import GateRefused, UsageError
from storage.names import checked_name
from storage.shed import Shed, current_user
from storage.tables import Alias, Decision, Model, ModelVersion


@dataclass(frozen=True)
class NewModelVersion:
    """A packaged model, before it has a number."""

    digest: str
    run_id: int
    dataset_version_id: int | None
    task: str | None
    signature: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)


def register(shed: Shed, name: str, new: NewModelVersion) -> tuple[ModelVersion, bool]:
    """Add a version and let `candidate` name it. Bytes that are already a version are that version."""
    checked_name(name, "model")
    with shed.writing("model version registered", f"model {name}") as write:
        session = write.session
        model = session.exec(select(Model).where(Model.name == name)).first()
        if model is None:
            model = Model(name=name, created_at=time.time())
            session.add(model)
            session.flush()
        assert model.id is not None
        query = select(ModelVersion).where(ModelVersion.model_id == model.id)
        version = session.exec(query.where(ModelVersion.digest == new.digest)).first()
        is_new = version is None
        if version is None:
            last = session.exec(query.order_by(col(ModelVersion.number).desc())).first()
            production = _alias(session, model.id, "production")
            version = ModelVersion(
                model_id=model.id,
                number=(last.number if last else 0) + 1,
                status="candidate",
                parent_version_id=production.version_id if production else None,
                created_at=time.time(),
                created_by=current_user(),
                **vars(new),
            )
            session.add(version)
            session.flush()
        assert version.id is not None
        _point(session, model.id, "candidate", version.id)
        write.detail.update(version=version.number, digest=new.digest, new=is_new)
    return version, is_new


def set_card(shed: Shed, version_id: int, card: str) -> None:
    """Name the object that holds the version's model card."""
    with shed.writing("model card written", f"model version {version_id}") as write:
        version = write.session.get_one(ModelVersion, version_id)
        version.card = card
        write.session.add(version)


def judge(
    shed: Shed, version_id: int, run_id: int | None, *, passed: bool, evidence: dict[str, Any], reason: str = ""
) -> Decision:
    """Keep what the gate found. A version that was refused is `rejected` until somebody overrides."""
    with shed.writing("gate judged", f"model version {version_id}") as write:
        version = write.session.get_one(ModelVersion, version_id)
        if version.status not in ("production", "previous"):
            version.status = "passed" if passed else "rejected"
        decision = _decide(
            write.session, version, "gate", passed=passed, evidence=evidence, reason=reason, run_id=run_id
        )
        write.detail.update(passed=passed, version=version.number)
    return decision


def promote(
    shed: Shed,
    version_id: int,
    *,
    alias: str = "production",
    override: str = "",
    reason: str = "",
    approved: bool = False,
) -> tuple[bool, ModelVersion | None]:
    """Let `alias` name the version. Promoting what is already there changes nothing.

    Returns whether the alias moved, and the version it named before.

    Raises:
        GateRefused: when `production` would move past a gate that refused, or that never judged, without `override`.
    """
    checked_name(alias, "alias")
    with shed.writing("alias moved", f"model version {version_id}") as write:
        session = write.session
        version = session.get_one(ModelVersion, version_id)
        current = _alias(session, version.model_id, alias)
        if current is not None and current.version_id == version_id:
            write.action = "alias already there"
            return False, version
        if alias == "production" and not override:
            _require_passed_gate(session, version)
        before = session.get_one(ModelVersion, current.version_id) if current else None
        _point(session, version.model_id, alias, version_id)
        if alias == "production":
            _settle(session, version, before)
        kind = "override" if override else "approve" if approved else "promote"
        _decide(session, version, kind, alias=alias, previous=before, reason=override or reason)
        write.detail.update(
            alias=alias, version=version.number, before=before.number if before else None, reason=override
        )
    return True, before


def roll_back(shed: Shed, name: str, reason: str) -> tuple[ModelVersion, ModelVersion]:
    """Swap `production` and `previous`. Returns the version that serves now and the one it replaced.

    Raises:
        UsageError: when there is nothing to go back to.
    """
    with shed.writing("rolled back", f"model {name}") as write:
        session = write.session
        model = session.exec(select(Model).where(Model.name == name)).first()
        production = _alias(session, model.id, "production") if model and model.id else None
        previous = _alias(session, model.id, "previous") if model and model.id else None
        if production is None or previous is None:
            raise UsageError(f'model "{name}" has no previous version to go back to', todo="`trainshed models show`")
        now = session.get_one(ModelVersion, previous.version_id)
        bad = session.get_one(ModelVersion, production.version_id)
        _point(session, now.model_id, "production", now.id or 0)
        _settle(session, now, bad)
        _decide(session, now, "rollback", alias="production", previous=bad, reason=reason)
        write.detail.update(version=now.number, before=bad.number, reason=reason)
    return now, bad


def reject(shed: Shed, version_id: int, reason: str) -> None:
    """A person says no. `candidate` stays where it is; `production` cannot move there without an override."""
    with shed.writing("version rejected", f"model version {version_id}") as write:
        version = write.session.get_one(ModelVersion, version_id)
        if version.status == "production":
            raise UsageError(f"v{version.number} is in production", todo="`trainshed models rollback` takes it out")
        version.status = "rejected"
        _decide(write.session, version, "reject", passed=False, reason=reason)
        write.detail.update(version=version.number, reason=reason)


def _require_passed_gate(session: Session, version: ModelVersion) -> None:
    query = select(Decision).where(Decision.version_id == version.id, col(Decision.kind).in_(("gate", "reject")))
    last = session.exec(query.order_by(col(Decision.id).desc())).first()
    if last is not None and last.passed:
        return
    if last is None:
        why = "the gate has not judged it"
    elif last.kind == "reject":
        why = f"{last.user} rejected it: {last.reason}" if last.reason else f"{last.user} rejected it"
    else:
        why = f"the gate refused it: {last.reason}" if last.reason else "the gate refused it"
    model = session.get_one(Model, version.model_id).name
    command = f'trainshed models promote {model} v{version.number} --override "reason"'
    raise GateRefused(
        f"v{version.number} may not go to production: {why}",
        todo=f"`{command}` promotes it all the same, and keeps the reason",
    )


def _settle(session: Session, now: ModelVersion, before: ModelVersion | None) -> None:
    """Statuses and the alias `previous` after `production` moved from `before` to `now`."""
    now.status = "production"
    session.add(now)
    if before is not None:
        before.status = "previous"
        session.add(before)
        _point(session, now.model_id, "previous", before.id or 0)


def _alias(session: Session, model_id: int, name: str) -> Alias | None:
    return session.get(Alias, (model_id, name))


def _point(session: Session, model_id: int, name: str, version_id: int) -> None:
    session.merge(
        Alias(model_id=model_id, name=name, version_id=version_id, moved_at=time.time(), moved_by=current_user())
    )


def _decide(
    session: Session,
    version: ModelVersion,
    kind: str,
    *,
    alias: str = "",
    previous: ModelVersion | None = None,
    passed: bool | None = None,
    reason: str = "",
    evidence: dict[str, Any] | None = None,
    run_id: int | None = None,
) -> Decision:
    decision = Decision(
        model_id=version.model_id,
        version_id=version.id or 0,
        previous_id=previous.id if previous else None,
        run_id=run_id,
        at=time.time(),
        user=current_user(),
        kind=kind,
        alias=alias,
        passed=passed,
        reason=reason,
        evidence=evidence or {},
    )
    session.add(version)
    session.add(decision)
    return decision
