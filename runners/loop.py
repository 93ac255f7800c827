"""The whole loop once: a frozen run through its stages, the registry and the gate, to `production`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runners.pipeline import Context, Event, Stage, execute
from runners.reports import reporting
from runners.stages import evaluate, gate, package, prepare, train, validate
from storage.errors import DataInvalid, GateRefused, TrainshedError
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Decision, ModelVersion
from storage.write import models as write_models
from storage.write import runs as write_runs

STAGES: list[Stage] = [validate, prepare, train, evaluate, package, gate]
STAGE_NAMES = [stage.NAME for stage in STAGES]
INTERRUPTED = 130
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Finished:
    """How a run ended. `model` reads `flight-delay v3`; `ending` says it for programs (see `Outcome.ending`)."""

    status: str
    exit_code: int
    run: int | None
    model: str | None = None
    reason: str = ""
    promoted: bool = False
    ending: str = ""


def carry_out(context: Context, until: str | None, stages: Sequence[Stage] = STAGES) -> Finished:
    """Take a run from where it stands to its end, and write down how it ended. All errors are told as events.

    `stages` are the usual ones, or what stands in for them; the last is the gate.
    """
    shed, run_id = context.shed, context.run_id
    before_gate, the_gate = list(stages[:-1]), list(stages[-1:])
    try:
        execute(context, before_gate, until)
        if until is not None and until != gate.NAME:
            _measured(context)
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
    except KeyboardInterrupt as err:
        return _finish(context, "stopped", INTERRUPTED, str(err) or "interrupted from the keyboard")
    except BaseException as err:
        write_runs.finish(shed, run_id, "failed", 1, f"{type(err).__name__}: {err}")
        raise


def _register(context: Context) -> ModelVersion | None:
    packaged = context.facts("package")
    if not packaged.get("digest"):
        return None
    shed = context.shed
    shed.objects.put_file(context.directory("package") / "model.onnx")
    measured = _measured(context)
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


def _measured(context: Context) -> dict[str, float]:
    """Write down what evaluation and packaging found; returns the metrics of evaluation."""
    evaluated, latency = context.facts("evaluate"), context.facts("package").get("latency")
    measured = {**evaluated.get("metrics", {}), **evaluated.get("own_metrics", {})}
    figures = {f"test/{name}": value for name, value in measured.items()}
    if latency:
        figures["package/latency_p99_ms"] = latency["p99_ms"]
    if figures:
        write_runs.measured(context.shed, context.run_id, figures)
    return measured


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
    canary = _canary(context, version)
    if canary:
        reason = f"{label} passed the gate and is the canary of {canary}: trainshed endpoints canary show {canary}"
        return _finish(context, "done", 0, reason)
    write_models.promote(shed, version.id or 0, reason="every gate rule holds")
    context.tell({"event": "note", "text": f"{name} {label} is in production now"})
    _serve(context)
    return _finish(context, "done", 0, f"{label} is in production", promoted=True)


def _canary(context: Context, version: ModelVersion) -> str:
    """Have it answer a part of the requests first, where the project says so and an endpoint can; says where."""
    from runners.actions import canaries, going_live

    rules = going_live.rules_of(context.project_dir).canary
    if rules is None:
        return ""
    try:
        found = canaries.after_gate(context.shed, context.spec.project.name, version, rules)
    except TrainshedError as err:
        context.tell({"event": "warning", "text": f"no canary: {err.message}"})
        return ""
    return found.endpoint if found is not None else ""


def _serve(context: Context) -> None:
    """Start the endpoint of what is in production now, where the project says so and none serves."""
    from runners.actions import going_live

    if going_live.rules_of(context.project_dir).start != "auto":
        return
    try:
        found = going_live.endpoint(context.shed, context.spec.project.name, context.project_dir)
    except TrainshedError as err:
        context.tell({"event": "warning", "text": f"nothing serves it: {err.message}"})
        return
    if found is not None:
        context.tell({"event": "note", "text": f"{found.model} v{found.version} serves at {found.url}"})


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
    ending = _ending(context, status, error)
    write_runs.finish(context.shed, context.run_id, status, exit_code, reason, ending=ending)
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
    return Finished(status, exit_code, context.run_id, model, reason, promoted, ending)


def _ending(context: Context, status: str, error: TrainshedError | None) -> str:
    if status in ("failed", "refused") and _went_nonfinite(context):
        return "nan"
    return str(error.facts.get("ending", status)) if error is not None else status


def _went_nonfinite(context: Context) -> bool:
    metrics = read_runs.row(context.shed, context.run_id).metrics
    return any("loss" in name.lower() and metric.nonfinite_step is not None for name, metric in metrics.items())


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
