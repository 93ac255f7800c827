"""evaluate: the task's usual metrics on the held-out test rows, with calibration, confusion and a table of slices."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from runners.evaluation import calibration, scores, slices
from runners.evaluation.comparison import gate_metric
from runners.evaluation.heldout import Floats, HeldOut
from runners.packaging import assembly, trained
from runners.packaging.signature import Signature
from runners.pipeline import Context
from storage.counted import counted

NAME = "evaluate"
VERSION = 1


def skipped(context: Context) -> str:
    if context.spec.features is None:
        return "trainshed.toml has no [features], so there is no target to compare with"
    if not context.facts("train").get("model"):
        return "training returned no model"
    return ""


def inputs(context: Context) -> dict[str, Any]:
    return {
        "train": context.key("train"),
        "prepare": context.key("prepare"),
        "slices": context.spec.gate.slices,
        "metric": gate_metric(context),
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    prepared = context.facts("prepare")
    task, classes = prepared["task"], prepared["classes"]
    rows = HeldOut(context.directory("prepare"))
    prediction = _prediction(context, rows)
    target = rows.target
    values, undefined = scores.score(task, target, prediction, classes)
    own = {name: float(value) for name, value in (context.facts("train").get("user_metrics") or {}).items()}
    metric = gate_metric(context)
    table = []
    if metric in scores.METRICS:
        table = slices.slice_table(task, metric, target, prediction, rows.columns(context.spec.gate.slices))
    facts = {
        "metrics": values,
        "own_metrics": own,
        "undefined": {**undefined, **(context.facts("train").get("undefined") or {})},
        "rows": len(target),
        "slices": [asdict(row) for row in table],
        "calibration": [asdict(each) for each in calibration.calibration(task, target, prediction)],
        "residuals": calibration.residual_quantiles(target, prediction) if task == "regression" else {},
        "confusion": scores.confusion(task, target, prediction, classes),
    }
    np.save(out / "prediction.npy", prediction)
    (out / "evaluation.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts


def summary(facts: dict[str, Any]) -> str:
    shown = [f"{name} {scores.shown(value)}" for name, value in list(facts["metrics"].items())[:3]]
    return " · ".join([*shown, counted(facts["rows"], "test row")])


def _prediction(context: Context, rows: HeldOut) -> Floats:
    """What the trained module itself said in the child; an ONNX that nobody ran there is run here."""
    prepared = context.facts("prepare")
    task, classes = prepared["task"], prepared["classes"]
    model = context.directory("train") / "trained.onnx"
    reference = context.directory("train") / "reference" / "test.npy"
    if reference.exists():
        gives = trained.what_it_gives(onnx.load(model), task, classes).gives
        return assembly.predictions_of(np.load(reference), task, activated=gives != "logits")
    with tempfile.TemporaryDirectory(dir=context.shed.tmp) as folder:
        out = Path(folder)
        assembly.package_model(model, rows.encoding, task, classes, rows.raw, out, reference=None, parity_limit=1.0)
        return rows.predicted_by(out / "model.onnx", Signature.read(out / "signature.json"))
