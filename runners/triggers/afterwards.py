"""What becomes of the version that a trigger's run made, once it has passed the gate."""

from __future__ import annotations

from pathlib import Path

from runners.actions import canaries, going_live, models
from storage.project import ProjectSpec
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.rollout_section import CanarySection
from storage.shed import Shed
from storage.tables import ModelVersion, Rollout, Run
from storage.trigger_section import Then
from storage.write import runs as write_runs

PENDING = "going"


def ordered(project: ProjectSpec, then: Then | None) -> ProjectSpec:
    """The project with its [gate] approve as the trigger says; as it is where that says nothing."""
    if then is None:
        return project
    approve = "auto" if then == "promote" and project.serve.canary is None else "manual"
    return project.model_copy(update={"gate": project.gate.model_copy(update={"approve": approve})})


def carry_on(shed: Shed, run: Run, project: ProjectSpec, then: Then) -> None:
    """Promote the version of a run that waits since it passed the gate, or begin its canary.

    Where no endpoint serves its model there is nothing to try it on, and it is promoted. One that had its canary
    already gets no other.

    Raises:
        UsageError: when it cannot begin, as where the version takes other columns.
        ShedError: when the packaged model is damaged.
        RunFailed: when its endpoint, which the project wants started, does not come up; it is promoted then.
    """
    version = next(iter(read_models.of_run(shed, run.id or 0)), None)
    if version is None:
        return
    known = _canary(shed, run.project, version)
    endpoint = known.endpoint if known is not None else ""
    if then == "canary" and known is None:
        begun = canaries.after_gate(shed, run.project, version, project.serve.canary or CanarySection())
        endpoint = begun.endpoint if begun is not None else ""
    if not endpoint:
        models.promote(shed, run.project, f"v{version.number}", reason="every gate rule holds")
    where = f"is the canary of {endpoint}" if endpoint else "is in production"
    write_runs.finish(shed, run.id or 0, "done", 0, f"v{version.number} passed the gate and {where}")
    if not endpoint and project.serve.start == "auto":
        going_live.endpoint(shed, run.project, Path(run.project_dir))


def came_to(shed: Shed, run: Run, then: Then | None) -> str | None:
    """What came of a run that has ended, in one line; None while a canary of its version goes on."""
    lines = [line.strip(" ✗") for line in run.reason.splitlines() if line.strip()]
    why = (lines[1:] if run.status in ("refused", "invalid") and len(lines) > 1 else lines or [""])[
        0
    ]  # not: that there are reasons
    version = next(iter(read_models.of_run(shed, run.id or 0)), None)
    if run.status == "waiting" and then == "notify" and version is not None:
        return f"run {run.id}: v{version.number} passed the gate; production stays, as its trigger says"
    if run.status != "done":
        words = {"refused": "was refused by the gate", "invalid": "was stopped by data validation"}
        return f"run {run.id} {words.get(run.status, run.status)}" + (f": {why}" if why else "")
    production = read_models.aliased(shed, run.project, "production")
    rollout = _canary(shed, run.project, version) if version is not None else None
    if rollout is not None and rollout.status == PENDING:
        return None
    if version is not None and production is not None and production.run_id == run.id:
        how = " after its canary" if rollout is not None else ""
        return f"run {run.id} is done, v{production.number} is production now{how}{_beaten(shed, version)}"
    if rollout is not None and version is not None:
        return f"run {run.id}: the canary of v{version.number} was {rollout.status}: {rollout.reason}"
    return f"run {run.id} is done, production did not change"


def _beaten(shed: Shed, version: ModelVersion) -> str:
    """How a version compared with the production of then, as the gate put it; empty where it had no rival."""
    gate = read_models.latest_gate(shed, version.id or 0)
    if gate is None or not gate.evidence.get("production"):
        return ""
    told = [each["text"] for each in gate.evidence.get("verdicts", []) if each.get("rule") == "beat_production_by"]
    return f": {told[0]}" if told else ""


def _canary(shed: Shed, model: str, version: ModelVersion) -> Rollout | None:
    """The newest canary of a version, on any endpoint of its model."""
    names = [endpoint.name for endpoint in read_endpoints.every(shed) if endpoint.model == model]
    rows = [row for name in names for row in read_rollouts.history(shed, name)]
    its = [row for row in rows if row.version_id == version.id and row.kind == "canary"]
    return max(its, key=lambda row: row.started_at, default=None)
