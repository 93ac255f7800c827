"""prepare: splits the rows, fits the encoding on training rows only, and writes arrays for training."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runners import calling
from runners.features import preparing, preparing_files
from runners.opening import kept_files, open_tables
from runners.pipeline import Context
from runners.stoppable import stoppable
from storage.project import FeaturesSection

NAME = "prepare"
VERSION = 1


def skipped(context: Context) -> str:
    return ""


def inputs(context: Context) -> dict[str, Any]:
    features = context.spec.features
    return {
        "data": context.version.content,
        "query": context.spec.dataset.query,
        "features": features.model_dump() if features else None,
        "split": context.spec.split.model_dump() if features else None,
        "code": context.run.code if features and features.load else None,
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    features = context.spec.features
    if features is not None and context.spec.dataset.kind == "table":
        split = context.spec.split
        with open_tables(context.shed, context.manifest, context.spec.dataset.query, writes_to=out) as con:
            facts = stoppable(con, lambda: preparing.prepare_rows(con, "select * from data", features, split, out))
        for text in _of_absent_classes(facts):
            context.tell({"event": "warning", "text": text})
        return facts
    files = kept_files(context.shed, context.manifest)
    count = preparing_files.lay_out(files, out)
    if features is None:
        return {"task": None, "files": count, "rows": {}, "features": [], "categories": {}, "classes": []}
    return _decode(context, features, [path for path, _ in files], out)


def summary(facts: dict[str, Any]) -> str:
    if not facts["rows"]:
        return f"{facts['files']:,} files laid out"
    rows = facts["rows"]
    text = f"{rows['train']:,} train · {rows['validation']:,} validation · {rows['test']:,} test"
    return text + (f" · {rows['dropped']:,} without a target left out" if rows["dropped"] else "")


def _of_absent_classes(facts: dict[str, Any]) -> Iterator[str]:
    """A class that is rare, or whose rows belong to one group, may miss a part."""
    consequence = {"train": "is not learnt", "test": "is not measured"}
    for part, classes in facts.get("absent", {}).items():
        names = ", ".join(f'"{name}"' for name in classes[:5]) + (" …" if len(classes) > 5 else "")
        yield f"no {part} row is of class {names}, which {consequence[part]}: more rows, or another [split]"


def _decode(context: Context, features: FeaturesSection, paths: list[str], out: Path) -> dict[str, Any]:
    """Have the user's `load` make arrays of the files, once for all epochs and runs."""
    table, facts = preparing_files.split_classes(paths, features, context.spec.split, out)
    directory = context.run_dir / "load"
    absolute = {part: [[str(out / path), label] for path, label in members] for part, members in table.items()}
    calling.call(context, "load", features.load, directory=directory, out=directory / "out", files=absolute)
    for part in table:
        shutil.move(directory / "out" / part, out / part)
    return facts
