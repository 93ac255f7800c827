"""A shed for one try, thrown away after it, and the runs of a project in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runners.actions import datasets
from runners.datasets.adding import Added, Progress
from runners.freezing import environment, snapshot
from runners.pipeline import Context, Event, Hold
from storage.project import ProjectSpec
from storage.shed import Shed, open_shed
from storage.write import runs as write_runs

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Bench:
    """A project's frozen code beside an empty shed. Nothing here touches the project, or any other shed."""

    shed: Shed
    project_dir: Path
    python: Path
    frozen: snapshot.Snapshot
    on_gpu: bool
    tell: Callable[[Event], None]

    @property
    def folder(self) -> Path:
        """For files of the try itself."""
        return self.shed.root / "try"

    @property
    def code_dir(self) -> Path:
        return self.shed.root / "code"

    @property
    def env(self) -> dict[str, str]:
        """The environment of the project's code."""
        return {**os.environ, **({} if self.on_gpu else NO_GPU)}

    def add(self, spec: ProjectSpec, root: Path, progress: Progress | None = None) -> Added:
        """The files that `spec` names below `root`, as a dataset version; their contents stay where they are.

        Raises:
            UsageError, DataInvalid: when there are none, or one cannot be read.
        """
        return datasets.add_for_project(self.shed, root, spec, by_reference=True, progress=progress)

    def context(self, name: str, spec: ProjectSpec, added: Added) -> Context:
        """A run of its own, with nothing done yet. It keeps off the GPU unless the bench is on it."""
        if not self.on_gpu:
            spec = spec.model_copy(update={"train": spec.train.model_copy(update={"gpus": 0})})
        run = write_runs.create(
            self.shed,
            write_runs.NewRun(
                name=name,
                project=spec.project.name,
                project_dir=str(self.project_dir),
                identity=name,
                code=self.frozen.code,
                spec=spec.model_dump(mode="json", by_alias=True),
                snapshot={},
                params=spec.train.params,
                seed=spec.train.seed,
                dataset_version_id=added.version.id,
            ),
        )
        return Context(
            self.shed,
            run,
            spec,
            self.project_dir,
            self.code_dir,
            self.python,
            added.dataset,
            added.version,
            added.manifest,
            self.tell,
            env=self.env,
            hold=Hold(gpu_indices=None if self.on_gpu else ()),
        )


@contextmanager
def bench(
    project_dir: Path, spec: ProjectSpec, *, on_gpu: bool, keep: bool, tell: Callable[[Event], None]
) -> Iterator[Bench]:
    """Set up a bench, and take it away again unless it is to be kept.

    Raises:
        UsageError: when the project's interpreter or its code cannot be used.
    """
    python = environment.interpreter(project_dir, spec.project.python)
    environment.capture(python)
    globs = [glob for globs in spec.dataset.globs.values() for glob in globs]
    frozen = snapshot.freeze(project_dir, globs, want_diff=False)
    root = Path(tempfile.mkdtemp(prefix="trainshed-test-"))
    try:
        shed = open_shed(root)
        try:
            made = Bench(shed, project_dir, python, frozen, on_gpu, tell)
            made.folder.mkdir()
            snapshot.check_out(frozen.files, frozen.executables, frozen.contents.__getitem__, made.code_dir)
            yield made
        finally:
            shed.close()
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)
