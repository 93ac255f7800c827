"""package: one ONNX from raw columns to prediction, checked against the trained module on real rows, and timed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runners.evaluation.heldout import HeldOut
from runners.packaging import assembly
from runners.pipeline import Context
from storage.counted import counted

NAME = "package"
VERSION = 2


def skipped(context: Context) -> str:
    if context.spec.features is None:
        return "trainshed.toml has no [features], so nobody knows what the model takes and gives"
    if not context.facts("train").get("model"):
        return "training returned no model"
    return ""


def inputs(context: Context) -> dict[str, Any]:
    return {
        "train": context.key("train"),
        "prepare": context.key("prepare"),
        "parity": context.spec.gate.parity,
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    prepared, rows = context.facts("prepare"), HeldOut(context.directory("prepare"))
    trained = context.directory("train")
    reference = trained / "reference" / "test.npy"
    facts = assembly.package_model(
        trained / "trained.onnx",
        rows.encoding,
        prepared["task"],
        prepared["classes"],
        rows.raw,
        out,
        reference=reference if reference.exists() else None,
        encoded=rows.encoded,
        parity_limit=context.spec.gate.parity,
    )
    return {**facts, "signature": json.loads((out / "signature.json").read_text(encoding="utf-8"))}


def summary(facts: dict[str, Any]) -> str:
    parts = [f"{facts['bytes'] / 1e6:.2f} MB"]
    if facts["parity"] is not None:
        parts.append(f"parity {facts['parity']:.0e} on {counted(facts['parity_rows'], 'row')}")
    return " · ".join([*parts, f"one row in {facts['latency']['p50_ms']:.2f} ms"])
