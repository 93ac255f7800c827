"""Files → what training reads: a dataset version laid out under its own names, and split by class folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from runners.features import splits
from storage.errors import DataInvalid, UsageError
from storage.project import FeaturesSection, SplitSection


def lay_out(files: Iterable[tuple[str, Path]], out: Path) -> int:
    """Put each (relative path, kept content) below `out/files` under its own name. Returns how many there are.

    Links, not copies: the content lies in the shed already, and is never changed there.
    """
    count = 0
    for relative, content in files:
        link = out / "files" / relative
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(content)
        count += 1
    return count


def split_classes(
    paths: list[str], features: FeaturesSection, split: SplitSection, out: Path
) -> tuple[dict[str, list[list[Any]]], dict[str, Any]]:
    """Share out the files of a class-folder tree, and write `files.json`: part → [[path below out, class index], …].

    Returns that table, and the facts of the stage.

    Raises:
        UsageError: for a task or a split that class folders cannot serve.
        DataInvalid: when the folders do not make the classes that the task needs.
    """
    if features.task == "regression":
        raise UsageError('kind = "files" has only classes', place="[features] task", expected="multiclass or binary")
    labelled = [(path, PurePosixPath(path).parent.name) for path in paths]
    classes = sorted({label for _, label in labelled})
    wanted = "exactly 2" if features.task == "binary" else "at least 2"
    if len(classes) < 2 or (features.task == "binary" and len(classes) != 2):
        raise DataInvalid(
            f"the files lie in {len(classes)} class folders: {', '.join(classes[:5])}",
            place="[dataset] files",
            expected=f"{wanted} folders, each named after its class, for a {features.task} task",
        )
    shared = splits.split_files(labelled, split)
    index = {label: number for number, label in enumerate(classes)}
    table = {part: [[f"files/{path}", index[label]] for path, label in members] for part, members in shared.items()}
    (out / "files.json").write_text(json.dumps(table), encoding="utf-8")
    facts = {
        "task": features.task,
        "rows": {**{part: len(members) for part, members in table.items()}, "dropped": 0},
        "features": [],
        "categories": {},
        "classes": classes,
        "split": {"by": split.by, "column": split.column},
    }
    return table, facts
