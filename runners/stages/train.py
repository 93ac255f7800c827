"""train: the user's own code, in the user's interpreter; it goes on from its last checkpoint after a crash."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from runners import calling
from runners.pipeline import Context

NAME = "train"
VERSION = 1
KEPT = ("trained.onnx", "reference", "child.json")


def skipped(context: Context) -> str:
    return ""


def inputs(context: Context) -> dict[str, Any]:
    train = context.spec.train
    return {
        "prepare": context.key("prepare"),
        "data": context.version.content,
        "code": context.run.code,
        "train": train.model_dump(exclude={"timeout_minutes", "retries", "retry_smaller"}),
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    prepared = context.facts("prepare")
    child_out = context.run_dir / "train"
    result = calling.call(
        context,
        "command" if context.spec.train.command else "train",
        context.spec.train.entry,
        directory=context.run_dir,
        out=child_out,
        command=context.spec.train.command,
        data_dir=str(context.directory("prepare")) if prepared else None,
        classes=prepared.get("classes"),
        features=prepared.get("features"),
        categories=prepared.get("categories"),
    )
    for name in KEPT:
        if (child_out / name).exists():
            shutil.move(child_out / name, out / name)
    shutil.rmtree(child_out)
    return {key: value for key, value in result.items() if key != "ok"}


def summary(facts: dict[str, Any]) -> str:
    return "" if facts.get("model") else "returned no model"
