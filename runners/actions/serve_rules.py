"""What an endpoint goes by: `[serve]` of its model's project, and what its caller says instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.errors import UsageError, nearest
from storage.project import FILE_NAME, load_project
from storage.read import runs as read_runs
from storage.sections import valid
from storage.serve_section import ServeSection
from storage.shed import Shed


def of(shed: Shed, model: str, run_id: int, project_dir: Path | None, instead: Mapping[str, Any]) -> ServeSection:
    """`[serve]` of the project given, if it makes this model, else of the one that the run was made in, if it is there.

    Raises:
        UsageError: a key is wrong, or together they say what must not be.
    """
    rules = _of_project(shed, model, run_id, project_dir)
    return valid(ServeSection, {**rules.model_dump(), **instead}) if instead else rules


def check_columns(rules: ServeSection, signature: Mapping[str, Any]) -> None:
    """Raises UsageError where a column that the log must not hold is none of the model's: it would be logged."""
    known = [given["name"] for given in signature["inputs"]]
    for key in ("drop", "hash"):
        for name in getattr(rules.log, key):
            if name not in known:
                raise UsageError(
                    f'the model has no column "{name}"',
                    place=f"[serve] log.{key}",
                    expected="one of " + ", ".join(known),
                    todo=nearest(name, known),
                )


def _of_project(shed: Shed, model: str, run_id: int, project_dir: Path | None) -> ServeSection:
    if project_dir is not None:
        spec = load_project(project_dir)
        if spec.project.name == model:
            return _placed(spec.serve, project_dir)
    made_in = Path(read_runs.run(shed, run_id).project_dir)
    if (made_in / FILE_NAME).is_file():
        return _placed(load_project(made_in).serve, made_in)
    return ServeSection()


def _placed(rules: ServeSection, folder: Path) -> ServeSection:
    """The files of TLS are named from the project's folder on."""
    files = {key: getattr(rules, key) for key in ("tls_cert", "tls_key")}
    return rules.model_copy(update={key: str(folder / file) for key, file in files.items() if file is not None})
