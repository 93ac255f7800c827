"""The verbs of second versions: canaries, A/B splits and shadows of an endpoint; begun, looked at, ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from runners.actions import endpoints, models
from runners.packaging.signature import Signature
from runners.serving import judging, samples
from runners.serving.second import figures, samples_dir
from storage.errors import GateRefused, UsageError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.rollout_section import CanarySection, of_rollout
from storage.sections import valid
from storage.serve_section import of_endpoint
from storage.shed import Shed, current_user
from storage.tables import Endpoint, ModelVersion, Rollout
from storage.write import rollouts as write_rollouts

Kind = Literal["canary", "shadow", "ab"]
Outcome = Literal["going", "promoted", "aborted", "ended"]
SHARES = {"canary": 10.0, "ab": 50.0, "shadow": 100.0}


@dataclass(frozen=True)
class Side:
    """What one version did. A shadow's latency is that of the model alone; `dropped` are those it had no time for."""

    version: int
    digest: str
    requests: int = 0
    errors: int = 0
    dropped: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Standing:
    """How a second version stands, or how it ended.

    Attributes:
        kind: canary, shadow or ab.
        percent, key, header: which requests it answers; see CanarySection.
        routed_at: since when it is asked; None while it is still being tried.
        until: when it is judged, at the earliest; None for a shadow or a split, which nobody judges.
        min_requests: that both sides need before it is judged.
        production, second: the version that the alias names, and this one.
        shift: how far the distributions of their predictions are apart (0 to 1).
        verdict, reason: `going` and what it waits for, or how it ended and why.
    """

    id: int
    endpoint: str
    model: str
    kind: Kind
    percent: float
    key: str | None
    header: str | None
    started_at: float
    started_by: str
    routed_at: float | None
    until: float | None
    ended_at: float | None
    min_requests: int
    production: Side
    second: Side
    shift: float | None
    max_shift: float
    verdict: Outcome
    reason: str

    @property
    def version(self) -> int:
        return self.second.version


def start(
    shed: Shed,
    endpoint: str,
    *,
    kind: Kind = "canary",
    version: str = "candidate",
    override: str | None = None,
    **rules: Any,
) -> Standing:
    """Have an endpoint serve a second version beside its own, from about a second from now on.

    Args:
        version: an alias or a number.
        override: why a canary may be promoted although the gate did not pass it.
        rules: keys of `[serve.canary]` that replace the project's.

    Raises:
        UsageError: there is no such endpoint or version, it is another user's, it serves something beside already, it
            does not run, the version is the one it serves or takes other columns, or a rule is wrong.
        GateRefused: a canary that the gate did not pass, without `override`.
    """
    return _begun(shed, _own(shed, endpoint), kind, version, override, rules)


def standing(shed: Shed, endpoint: str) -> Standing | None:
    """What an endpoint serves beside its own version, else what came of the last; None where there was none.

    Raises:
        UsageError: there is no such endpoint.
    """
    row = read_rollouts.newest(shed, read_endpoints.named(shed, endpoint).name)
    return _standing(shed, row) if row is not None else None


def history(shed: Shed, endpoint: str, limit: int = 20) -> list[Standing]:
    """Newest first. Raises UsageError when there is no such endpoint."""
    return [
        _standing(shed, row) for row in read_rollouts.history(shed, read_endpoints.named(shed, endpoint).name, limit)
    ]


def abort(shed: Shed, endpoint: str, reason: str = "") -> Standing:
    """Send nothing to the second version any more. Raises UsageError when nothing goes on, or it is another user's."""
    row = _going(shed, endpoint)
    by = f"by {current_user()}" + (f": {reason.strip()}" if reason.strip() else "")
    status = "aborted" if row.kind == "canary" else "ended"
    write_rollouts.end(shed, row.id or 0, status, by, _figures(shed, row))
    return _standing(shed, _again(shed, endpoint))


def promote(shed: Shed, endpoint: str, reason: str = "", *, override: str | None = None) -> Standing:
    """Let the endpoint's alias name the second version now, whatever it did so far.

    Raises:
        UsageError: nothing goes on, or it is another user's.
        GateRefused: the gate did not pass it, without `override`.
        ShedError: the packaged model is damaged.
    """
    row = _going(shed, endpoint)
    found = read_endpoints.named(shed, endpoint)
    _, version = read_models.version_by_id(shed, row.version_id)
    by = f"by {current_user()}" + (f": {reason.strip()}" if reason.strip() else "")
    before = _figures(shed, row)
    models.promote(
        shed, row.model, f"v{version.number}", alias=found.alias, override=override or row.override or None,
        reason=f"{row.kind}, {by}",
    )  # fmt: skip
    write_rollouts.end(shed, row.id or 0, "promoted", by, before)
    return _standing(shed, _again(shed, endpoint))


def after_gate(shed: Shed, model: str, version: ModelVersion, rules: CanarySection) -> Standing | None:
    """Begin a canary of a version that the gate passed, on the endpoint that serves the model's production.

    One that goes on there is given up for it. None where no endpoint serves: nothing can be measured. It may be another
    user's, who would have to take the version all the same if it were promoted at once.

    Raises:
        UsageError: as `start`.
    """
    production = read_models.aliased(shed, model, "production")
    if production is None or production.id == version.id:
        return None
    for found in read_endpoints.every(shed):
        its = found.model == model and found.alias == "production" and found.wanted == "running"
        if not its or endpoints.status(shed, found.name).state != "serving":
            continue
        row = read_rollouts.going(shed, found.name)
        if row is not None and row.version_id == version.id:
            return _standing(shed, row)
        if row is not None:
            write_rollouts.end(shed, row.id or 0, "aborted", f"v{version.number} came", _figures(shed, row))
        return _begun(shed, found, "canary", f"v{version.number}", None, rules.model_dump(exclude_unset=True))
    return None


def _begun(
    shed: Shed, found: Endpoint, kind: Kind, version: str, override: str | None, rules: dict[str, Any]
) -> Standing:
    production = _production(shed, found)
    second = read_models.version(shed, found.model, version)
    checked = _rules(found, kind, rules)
    if second.id == production.id:
        raise UsageError(f"v{second.number} is what {found.name} serves already")
    _fits(production, second, checked)
    if kind == "canary" and found.alias == "production" and not (override or "").strip():
        _passed_gate(shed, second)
    shed.objects.verify(second.digest)
    row = write_rollouts.begin(
        shed, found.name, kind, found.model, version=second, against=production, rules=checked.model_dump(mode="json"),
        override=(override or "").strip(),
    )  # fmt: skip
    return _standing(shed, row)


def _own(shed: Shed, endpoint: str) -> Endpoint:
    found = read_endpoints.named(shed, endpoint)
    if found.user != current_user():
        raise UsageError(f'endpoint "{endpoint}" is {found.user}\'s: only they may')
    if found.wanted != "running":
        raise UsageError(f'endpoint "{endpoint}" is stopped', todo=f"trainshed endpoints start {endpoint}")
    return found


def _production(shed: Shed, endpoint: Endpoint) -> ModelVersion:
    found = read_models.aliased(shed, endpoint.model, endpoint.alias)
    if found is None:
        raise UsageError(f"no version of {endpoint.model} is {endpoint.alias}")
    return found


def _rules(endpoint: Endpoint, kind: Kind, given: dict[str, Any]) -> CanarySection:
    """The project's rules where they are about a canary, with what was asked for now; each kind has a share of its
    own by default."""
    of_project = of_endpoint(endpoint.name, endpoint.settings).canary if kind == "canary" else None
    known = of_project.model_dump(exclude_unset=True) if of_project is not None else {}
    if given.get("key") is not None or given.get("header") is not None:
        known = {name: value for name, value in known.items() if name not in ("key", "header")}
    wanted = {"percent": SHARES[kind], **known, **{name: value for name, value in given.items() if value is not None}}
    found = valid(CanarySection, wanted)
    if kind != "shadow" and found.percent >= 100 and found.header is None:
        raise UsageError("percent must be below 100: nothing would be left to compare with")
    return found


def _fits(production: ModelVersion, second: ModelVersion, rules: CanarySection) -> None:
    """Both must be able to answer the same requests."""
    theirs, ours = (
        {given.name: (given.onnx, given.shape, given.null) for given in Signature.from_json(each.signature).inputs}
        for each in (production, second)
    )
    differing = sorted(name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name))
    if differing:
        raise UsageError(
            f"v{second.number} cannot answer what v{production.number} is asked: {', '.join(differing)} differ",
            todo="promote it once its callers send what it needs",
        )
    if rules.key is not None and rules.key not in theirs:
        raise UsageError(f'no input column "{rules.key}"', expected=", ".join(theirs))


def _passed_gate(shed: Shed, version: ModelVersion) -> None:
    judged = read_models.latest_gate(shed, version.id or 0)
    if version.status == "rejected" or judged is None or not judged.passed:
        raise GateRefused(
            f"v{version.number} has not passed the gate, so it could not be promoted",
            todo='--override "reason" lets it, and keeps the reason; `endpoints shadow start` needs none',
        )


def _going(shed: Shed, endpoint: str) -> Rollout:
    found = read_endpoints.named(shed, endpoint)
    if found.user != current_user():
        raise UsageError(f'endpoint "{endpoint}" is {found.user}\'s: only they may')
    row = read_rollouts.going(shed, endpoint)
    if row is None:
        raise UsageError(f'endpoint "{endpoint}" serves nothing beside its own version')
    return row


def _again(shed: Shed, endpoint: str) -> Rollout:
    row = read_rollouts.newest(shed, endpoint)
    assert row is not None
    return row


def _figures(shed: Shed, row: Rollout) -> dict[str, Any]:
    return figures(samples.together(samples_dir(shed, row)))


def _standing(shed: Shed, row: Rollout) -> Standing:
    rules = of_rollout(row.endpoint, row.rules)
    going = row.status == "going"
    told, reason = row.figures, row.reason
    if going:
        sides = samples.together(samples_dir(shed, row))
        told = figures(sides)
        elapsed_s = time.time() - row.routed_at if row.routed_at is not None else 0.0
        if row.routed_at is None:
            reason = "is being tried before it is asked"
        elif row.kind == "canary":
            reason = judging.waits_for(rules, *sides, elapsed_s)
    versions = [read_models.version_by_id(shed, each)[1] for each in (row.against_id, row.version_id)]
    production, second = (
        Side(version.number, version.digest, **told.get(name, {}))
        for version, name in zip(versions, ("production", "second"), strict=True)
    )
    judged = row.kind == "canary" and row.routed_at is not None
    return Standing(
        id=row.id or 0,
        endpoint=row.endpoint,
        model=row.model,
        kind=row.kind,  # type: ignore[arg-type]
        percent=rules.percent,
        key=rules.key,
        header=rules.header,
        started_at=row.started_at,
        started_by=row.user,
        routed_at=row.routed_at,
        until=(row.routed_at or 0) + rules.minutes * 60 if judged else None,
        ended_at=row.ended_at,
        min_requests=rules.min_requests,
        production=production,
        second=second,
        shift=told.get("shift"),
        max_shift=rules.max_shift,
        verdict=row.status,  # type: ignore[arg-type]
        reason=reason,
    )
