"""Freezing a project: what a run executes is what stood there when it was launched, however late it starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from runners.actions import datasets
from runners.datasets.adding import Added
from runners.freezing import environment, snapshot
from runners.loop import STAGE_NAMES
from runners.opening import manifest_of
from runners.pipeline import Context, Event
from runners.stages import gate
from storage import project
from storage.errors import RunFailed, UsageError, nearest
from storage.project import ProjectSpec, load_project
from storage.read import datasets as read_datasets
from storage.read import models as read_models
from storage.shed import Shed
from storage.sql import select_only
from storage.tables import Run
from storage.write.runs import NewRun


@dataclass(frozen=True)
class Launch:
    """A project as it stood at one moment: its settings, data, code and surroundings.

    `identity` is the hash of all that was frozen: runs with equal identities do the same work.
    """

    project_dir: Path
    spec: ProjectSpec
    until: str | None
    python: Path
    surroundings: dict[str, Any]
    added: Added
    code: snapshot.Snapshot
    identity: str


def freeze(
    shed: Shed,
    project_dir: Path,
    *,
    params: dict[str, Any],
    until: str | None,
    spec: ProjectSpec | None = None,
    added: Added | None = None,
) -> Launch:
    """Freeze the project as it is now; its data becomes a dataset version, its code is kept as objects.

    `spec` stands for what its file says, `added` is the version to use instead of the files as they are.

    Raises:
        UsageError, DataInvalid: when it could not be started as it is. Nothing is queued or started then.
    """
    if until is not None and until not in STAGE_NAMES:
        raise UsageError(
            f"--until {until}: no such stage",
            expected="one of " + ", ".join(STAGE_NAMES),
            todo=nearest(until, STAGE_NAMES),
        )
    spec = project.with_params(spec, params) if spec is not None else load_project(project_dir, overrides=params)
    gate.check_rules(project_dir, spec)
    python = environment.interpreter(project_dir, spec.project.python)
    with project.placed(project_dir):
        if spec.dataset.query is not None:
            select_only(spec.dataset.query, place="[dataset] query")
        added = added or datasets.add_for_project(shed, project_dir, spec)
    globs = [glob for globs in spec.dataset.globs.values() for glob in globs]
    code = snapshot.freeze(project_dir, globs, want_diff=spec.project.snapshot_diff)
    snapshot.store(code, shed.objects.put_bytes)
    frozen = spec.model_dump(mode="json", by_alias=True)
    identity = identity_of(frozen, str(project_dir), added.version.content, code.code, until)
    return Launch(project_dir, spec, until, python, environment.capture(python), added, code, identity)


def new_run(
    shed: Shed,
    launch: Launch,
    *,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    sweep: tuple[int, int] | None = None,
) -> NewRun:
    """The run's row as it is frozen. `sweep` is the sweep and the number of the trial that it belongs to."""
    spec, code = launch.spec, launch.code
    production = read_models.aliased(shed, spec.project.name, "production")
    return NewRun(
        name=name or spec.project.name,
        project=spec.project.name,
        project_dir=str(launch.project_dir),
        identity=launch.identity,
        code=code.code,
        spec=spec.model_dump(mode="json", by_alias=True),
        snapshot={
            "files": code.files,
            "skipped": code.skipped,
            "secrets": code.secrets_found,
            "executables": code.executables,
        },
        params=spec.train.params,
        seed=spec.train.seed,
        commit=code.commit,
        branch=code.branch,
        dirty=bool(code.dirty),
        dataset_version_id=launch.added.version.id,
        parent_version_id=production.id if production else None,
        until=launch.until,
        tags=tags,
        sweep_id=sweep[0] if sweep else None,
        trial=sweep[1] if sweep else None,
    )


def write_down(shed: Shed, launch: Launch, run_id: int) -> None:
    """Keep what surrounds the run in its directory."""
    surround(launch, shed.make_dir(shed.run_dir(run_id)))


def surround(launch: Launch, directory: Path) -> None:
    """Write the diff and the environment of what was frozen into a directory."""
    if launch.code.diff:
        (directory / "diff.patch").write_text(launch.code.diff, encoding="utf-8")
    (directory / "environment.json").write_text(json.dumps(launch.surroundings, indent=1), encoding="utf-8")


def remarks(launch: Launch) -> list[Event]:
    """What was odd about the project, as events."""
    odd = [*launch.code.notes, *(f"left out of the frozen code: {each}" for each in launch.code.skipped)]
    secret = "looks like a secret; the kept diff has it blacked out"
    return [
        *({"event": "note", "text": text} for text in odd),
        *({"event": "warning", "text": f"{finding}: {secret}"} for finding in launch.code.secrets_found),
    ]


def reopen(shed: Shed, run: Run, tell: Callable[[Event], None]) -> Context:
    """Everything that a frozen run needs, from the shed alone: its code is checked out where it is not yet.

    Raises:
        RunFailed: when the row is not what was frozen, or what was frozen is no longer whole.
    """
    assert run.id is not None and run.dataset_version_id is not None
    spec = project.frozen(run.spec, f"run {run.id}")
    dataset, version = read_datasets.version_by_id(shed, run.dataset_version_id)
    files, executables = run.snapshot["files"], run.snapshot["executables"]
    found = identity_of(run.spec, run.project_dir, version.content, snapshot.code_digest(files, executables), run.until)
    if found != run.identity:
        raise RunFailed(f"run {run.id} was changed after it was frozen", todo=f"trainshed runs requeue {run.id}")
    project_dir, code_dir = Path(run.project_dir), shed.make_dir(shed.run_dir(run.id)) / "code"
    snapshot.check_out(files, executables, lambda digest: shed.objects.verify(digest).read_bytes(), code_dir)
    if not project_dir.is_dir():
        project_dir = code_dir
    python = environment.interpreter(project_dir, spec.project.python)
    return Context(shed, run, spec, project_dir, code_dir, python, dataset, version, manifest_of(shed, version), tell)


def with_params(run: Run | NewRun, content: str, params: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a frozen run's row says, and its identity, once these params are changed. `content`: of its dataset version.

    Raises:
        UsageError: for a param that the project does not have, or of another type.
    """
    changed = project.with_params(project.frozen(run.spec, f'run "{run.name}"'), params)
    spec = changed.model_dump(mode="json", by_alias=True)
    digest = snapshot.code_digest(run.snapshot["files"], run.snapshot["executables"])
    return spec, identity_of(spec, run.project_dir, content, digest, run.until)


def identity_of(spec: dict[str, Any], project_dir: str, content: str, code: str, until: str | None) -> str:
    """The hash of all that a run froze: its settings, data (by content), code (by digest), and how far it goes."""
    # Of the settings as they were written down: a later trainshed reads the same file into more of them.
    frozen = [project_dir, spec, content, code, until]
    return blake3(json.dumps(frozen, sort_keys=True).encode()).hexdigest()
