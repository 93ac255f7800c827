"""The whole loop once: from the files of a project through the stages and the gate to `production`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from runners.actions import datasets
from runners.freezing import environment, snapshot
from runners.pipeline import Context, Event, Stage, execute
from runners.reports import reporting
from runners.stages import evaluate, gate, package, prepare, train, validate
from runners.supervision import processes
from storage.errors import DataInvalid, GateRefused, TrainshedError, UsageError, nearest
from storage.project import ProjectSpec, load_project
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Decision, ModelVersion, Run
from storage.write import models as write_models
from storage.write import runs as write_runs

STAGES: list[Stage] = [validate, prepare, train, evaluate, package, gate]
STAGE_NAMES = [stage.NAME for stage in STAGES]
INTERRUPTED = 130


@dataclass(frozen=True)
class Finished:
    """How a run of the pipeline ended. `model` reads `flight-delay v3`."""

    status: str
    exit_code: int
    run: int | None
    model: str | None = None
    reason: str = ""
    promoted: bool = False


def run_pipeline(
    shed: Shed,
    project_dir: Path,
    *,
    params: dict[str, Any],
    until: str | None = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    on_event: Callable[[Event], None],
) -> Finished:
    """Freeze the project as it is now and take it through the stages.

    A run that froze exactly the same things and did not end well is taken up again instead of a new one.

    Raises:
        UsageError, DataInvalid: when nothing could be started. All later errors are told as events.
    """
    if until is not None and until not in STAGE_NAMES:
        raise UsageError(
            f"--until {until}: no such stage",
            expected="one of " + ", ".join(STAGE_NAMES),
            todo=nearest(until, STAGE_NAMES),
        )
    spec = load_project(project_dir, overrides=params)
    gate.check_rules(project_dir, spec)
    python = environment.interpreter(project_dir, spec.project.python)
    context = _launch(shed, project_dir, spec, python, until, name, tags, on_event)
    return _carry_out(context, until)


def _launch(
    shed: Shed,
    project_dir: Path,
    spec: ProjectSpec,
    python: Path,
    until: str | None,
    name: str | None,
    tags: tuple[str, ...],
    tell: Callable[[Event], None],
) -> Context:
    added = datasets.add_for_project(shed, project_dir, spec)
    frozen = snapshot.freeze(
        project_dir,
        [glob for globs in spec.dataset.globs.values() for glob in globs],
        want_diff=spec.project.snapshot_diff,
    )
    identity = _identity(spec, project_dir, added.version.content, frozen.code, until)
    before = read_runs.latest_with_identity(shed, identity)
    resumed = before is not None and _unfinished(before)
    me = processes.identify(os.getpid()).to_json()
    if before is not None and before.id is not None and resumed:
        run = write_runs.take_up(shed, before.id, me)
    else:
        run = write_runs.create(
            shed,
            write_runs.NewRun(
                name=name or spec.project.name,
                project=spec.project.name,
                project_dir=str(project_dir),
                identity=identity,
                code=frozen.code,
                spec=spec.model_dump(mode="json", by_alias=True),
                snapshot={
                    "files": frozen.files,
                    "skipped": frozen.skipped,
                    "secrets": frozen.secrets_found,
                    "executables": frozen.executables,
                },
                params=spec.train.params,
                seed=spec.train.seed,
                commit=frozen.commit,
                branch=frozen.branch,
                dirty=bool(frozen.dirty),
                dataset_version_id=added.version.id,
                parent_version_id=_production_id(shed, spec.project.name),
                until=until,
                tags=tags,
            ),
        )
        write_runs.supervised_by(shed, run.id or 0, me)
    assert run.id is not None
    run_dir = shed.make_dir(shed.run_dir(run.id))
    _write_down(shed, frozen, run_dir, python)
    tell(
        {
            "event": "run",
            "run": run.id,
            "name": run.name,
            "project": run.project,
            "dataset": f"{added.dataset.name} v{added.version.number}",
            "new_version": added.is_new,
            "attempt": run.attempt,
            "resumed": resumed,
        }
    )
    for odd in [*frozen.notes, *(f"left out of the frozen code: {each}" for each in frozen.skipped)]:
        tell({"event": "note", "text": odd})
    for finding in frozen.secrets_found:
        tell({"event": "warning", "text": f"{finding}: looks like a secret; the kept diff has it blacked out"})
    return Context(
        shed, run, spec, project_dir, run_dir / "code", python, added.dataset, added.version, added.manifest, tell
    )


def _identity(spec: ProjectSpec, project_dir: Path, content: str, code: str, until: str | None) -> str:
    frozen = [str(project_dir), spec.model_dump(mode="json", by_alias=True), content, code, until]
    return blake3(json.dumps(frozen, sort_keys=True).encode()).hexdigest()


def _unfinished(run: Run) -> bool:
    if run.status == "running":
        return not processes.alive(processes.Identity.from_json(run.supervisor)) if run.supervisor else True
    return run.status in ("failed", "stopped")


def _production_id(shed: Shed, name: str) -> int | None:
    production = read_models.aliased(shed, name, "production")
    return production.id if production else None


def _write_down(shed: Shed, frozen: snapshot.Snapshot, run_dir: Path, python: Path) -> None:
    """Keep what surrounds the run: its code as it will be executed, its diff, its environment."""
    snapshot.store(frozen, shed.objects.put_bytes)
    snapshot.check_out(frozen, run_dir / "code")
    if frozen.diff:
        (run_dir / "diff.patch").write_text(frozen.diff, encoding="utf-8")
    captured = environment.capture(python)
    (run_dir / "environment.json").write_text(json.dumps(captured, indent=1), encoding="utf-8")


def _carry_out(context: Context, until: str | None) -> Finished:
    shed, run_id = context.shed, context.run_id
    before_gate, the_gate = STAGES[:-1], STAGES[-1:]
    try:
        execute(context, before_gate, until)
        if until is not None and until != gate.NAME:
            return _finish(context, "done", 0, f"stopped after {until}, as asked")
        version = _register(context)
        execute(context, the_gate, until)
        return _settle(context, version)
    except GateRefused as err:
        _write_card(context)
        _tell_tables(context)
        return _finish(context, "refused", err.exit_code, err.message, err)
    except DataInvalid as err:
        return _finish(context, "invalid", err.exit_code, err.message, err)
    except TrainshedError as err:
        return _finish(context, "failed", err.exit_code, err.message, err)
    except KeyboardInterrupt:
        return _finish(context, "stopped", INTERRUPTED, "interrupted from the keyboard")
    except BaseException as err:
        write_runs.finish(shed, run_id, "failed", 1, f"{type(err).__name__}: {err}")
        raise


def _register(context: Context) -> ModelVersion | None:
    packaged = context.facts("package")
    if not packaged.get("digest"):
        return None
    shed = context.shed
    shed.objects.put_file(context.directory("package") / "model.onnx")
    measured = {**context.facts("evaluate").get("metrics", {}), **context.facts("evaluate").get("own_metrics", {})}
    figures = {f"test/{name}": value for name, value in measured.items()}
    if packaged.get("latency"):
        figures["package/latency_p99_ms"] = packaged["latency"]["p99_ms"]
    write_runs.measured(shed, context.run_id, figures)
    version, is_new = write_models.register(
        shed,
        context.spec.project.name,
        write_models.NewModelVersion(
            digest=packaged["digest"],
            run_id=context.run_id,
            dataset_version_id=context.version.id,
            task=context.spec.features.task if context.spec.features else None,
            signature=packaged["signature"],
            metrics=measured,
        ),
    )
    if is_new:
        context.tell({"event": "note", "text": f"{context.spec.project.name} v{version.number} is the candidate"})
    return version


def _settle(context: Context, version: ModelVersion | None) -> Finished:
    """After a gate that passed: promote, or say who has to."""
    if version is None:
        _tell_tables(context)
        return _finish(context, "done", 0, "")
    _write_card(context)
    shed, name, label = context.shed, context.spec.project.name, f"v{version.number}"
    _tell_tables(context)
    production = read_models.aliased(shed, name, "production")
    if production is not None and production.id == version.id:
        return _finish(context, "done", 0, f"{label} is in production already")
    if context.spec.gate.approve == "manual":
        reason = f"{label} passed the gate and waits: trainshed models approve {name} {label}"
        return _finish(context, "waiting", 0, reason)
    refusal = _personal_no(shed, name, version)
    if refusal is not None:
        verb = "rolled back" if refusal.kind == "rollback" else "rejected"
        why = f" ({refusal.reason})" if refusal.reason else ""
        reason = f"{label} was {verb} by {refusal.user}{why}; trainshed models promote {name} {label} puts it back"
        return _finish(context, "waiting", 0, reason)
    write_models.promote(shed, version.id or 0, reason="every gate rule holds")
    context.tell({"event": "note", "text": f"{name} {label} is in production now"})
    return _finish(context, "done", 0, f"{label} is in production", promoted=True)


def _personal_no(shed: Shed, name: str, version: ModelVersion) -> Decision | None:
    """The decision of a person that took exactly this version out, if nothing has put it back since."""
    for decision in reversed(read_models.history(shed, name)):
        if decision.kind == "rollback" and decision.previous_id == version.id:
            return decision
        if decision.version_id == version.id and decision.kind == "reject":
            return decision
        if decision.version_id == version.id and decision.kind in ("promote", "approve", "override"):
            return None
    return None


def _finish(
    context: Context,
    status: str,
    exit_code: int,
    reason: str,
    error: TrainshedError | None = None,
    *,
    promoted: bool = False,
) -> Finished:
    write_runs.finish(context.shed, context.run_id, status, exit_code, reason)
    if error is not None:
        context.tell(
            {
                "event": "error",
                "message": error.message,
                "place": error.place,
                "expected": error.expected,
                "todo": error.todo,
            }
        )
    version = gate.candidate(context)
    model = f"{context.spec.project.name} v{version.number}" if version else None
    return Finished(status, exit_code, context.run_id, model, reason, promoted)


def _write_card(context: Context) -> None:
    version = gate.candidate(context)
    if version is not None and version.id is not None:
        card = reporting.model_card_of(context, version, _judged(context))
        digest = context.shed.objects.put_bytes(card.encode())
        write_models.set_card(context.shed, version.id, digest)


def _tell_tables(context: Context) -> None:
    for table in reporting.tables(context, _judged(context)):
        context.tell(table)


def _judged(context: Context) -> dict[str, Any]:
    """What the gate last said of the candidate; empty when there is none, or it never judged it."""
    version = gate.candidate(context)
    decision = read_models.latest_gate(context.shed, version.id or 0) if version else None
    return decision.evidence if decision else {}
