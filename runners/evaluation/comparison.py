"""The gate's evidence: the candidate beside production, on the same newest test rows."""

from __future__ import annotations

import numpy as np

from runners.evaluation import bootstrap, disagreement, scores, slices
from runners.evaluation.heldout import Floats, HeldOut
from runners.evaluation.rules import ChecksOutcome, Evidence, NonFinite
from runners.evaluation.slices import SliceRow
from runners.packaging.signature import Signature
from runners.pipeline import Context
from storage import metrics
from storage.errors import RunFailed, TrainshedError
from storage.project import Task
from storage.tables import ModelVersion


def gate_metric(context: Context) -> str:
    """The metric that the gate, the slices and the comparison look at."""
    features = context.spec.features
    assert features is not None
    return context.spec.gate.metric or scores.HEADLINE[features.task]


def evidence(context: Context, production: ModelVersion | None) -> Evidence:
    """Everything the gate judges by. Production is scored again, from raw columns, under onnxruntime."""
    packaged = context.facts("package")
    latency = packaged.get("latency")
    plain = Evidence(
        task=context.spec.features.task if context.spec.features else None,
        checks=_checks(context),
        nonfinite=_nonfinite(context),
        parity=packaged["parity"],
        latency_p99_ms=latency["p99_ms"] if latency else None,
    )
    if context.spec.features is None:
        return plain
    evaluated = context.facts("evaluate")
    task, metric, rows = context.spec.features.task, gate_metric(context), HeldOut(context.directory("prepare"))
    candidate = np.load(context.directory("evaluate") / "prediction.npy")
    classes = context.facts("prepare")["classes"]
    theirs = _production_prediction(context, production, rows, classes)
    return Evidence(
        **{
            **vars(plain),
            "metrics": {**evaluated["metrics"], **evaluated["own_metrics"]},
            "undefined": evaluated["undefined"],
            "production": None if theirs is None else scores.score(task, rows.target, theirs, classes).values,
            "difference": _difference(task, metric, rows, candidate, theirs),
            "flips": None if theirs is None else disagreement.flipped(task, theirs, candidate, rows.target),
            "slices": tuple(_slices(context, task, metric, rows, candidate, theirs)),
        }
    )


def _production_prediction(
    context: Context, production: ModelVersion | None, rows: HeldOut, classes: list[str]
) -> Floats | None:
    if production is None:
        return None
    signature = Signature.from_json(production.signature)
    if signature.task != context.spec.features.task:  # type: ignore[union-attr]
        context.tell({"event": "warning", "text": f"production v{production.number} predicts another task"})
        return None
    model = context.shed.objects.verify(production.digest)
    try:
        return _in_order(rows.predicted_by(model, signature), list(signature.classes), classes)
    except TrainshedError as err:
        raise RunFailed(
            f"production v{production.number} cannot be scored on the newest rows: {err.message}",
            place=err.place,
            todo="give the columns it needs, or promote the candidate with a reason",
        ) from err


def _in_order(prediction: Floats, theirs: list[str], ours: list[str]) -> Floats:
    """Production's probabilities [n, k] in the candidate's classes; one that it does not know is never its answer."""
    if prediction.ndim == 1 or theirs == ours:
        return prediction
    place = {name: number for number, name in enumerate(theirs)}
    columns = [prediction[:, place[name]] if name in place else np.zeros(len(prediction)) for name in ours]
    known = np.stack(columns, axis=1)
    total = known.sum(axis=1, keepdims=True)
    return np.where(total > 0, known / np.where(total > 0, total, 1), 1 / len(ours))


def _difference(
    task: Task, metric: str, rows: HeldOut, candidate: Floats, production: Floats | None
) -> bootstrap.Difference | None:
    if production is None or metric not in scores.METRICS:
        return None
    try:
        return bootstrap.difference(metric, task, rows.target, candidate, production)
    except RunFailed:
        return None  # undefined on these rows; the rule that needs it says so


def _slices(
    context: Context, task: Task, metric: str, rows: HeldOut, candidate: Floats, production: Floats | None
) -> list[SliceRow]:
    if metric not in scores.METRICS:
        return []
    columns = rows.columns(context.spec.gate.slices)
    return slices.slice_table(task, metric, rows.target, candidate, columns, production)


def _checks(context: Context) -> ChecksOutcome:
    found = context.facts("validate").get("checks", [])
    broken = [check for check in found if not check["passed"]]
    return ChecksOutcome(
        held=len(found) - len(broken),
        stopped=tuple(check["name"] for check in broken if check["on_fail"] == "stop"),
        warned=tuple(check["name"] for check in broken if check["on_fail"] == "warn"),
    )


def _nonfinite(context: Context) -> tuple[NonFinite, ...]:
    """What training logged as NaN or infinity, from the series of the run that did the training."""
    trained_by = context.outputs["train"].run_id
    found = metrics.last_values(context.shed.run_dir(trained_by) / "metrics")
    return tuple(
        NonFinite(name, summary.first_nonfinite_step, "NaN or infinite")
        for name, summary in found.items()
        if summary.first_nonfinite_step is not None
    )
