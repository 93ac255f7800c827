"""The pipeline: stages in their order, each cached under the hash of its inputs, params and code, and resumable."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from blake3 import blake3

from storage.errors import TrainshedError
from storage.hashing import hash_file
from storage.manifests import Manifest
from storage.project import ProjectSpec
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion, Run
from storage.write import runs as write_runs

Event = dict[str, Any]
FACTS = "facts.json"


@dataclass(frozen=True)
class StageOutput:
    """What a stage left: its directory (None where nothing was written), its facts, and the run that did the work."""

    key: str
    directory: Path | None
    facts: dict[str, Any]
    run_id: int


@dataclass(frozen=True)
class Hold:
    """The devices that a run was granted: their locks, which its child inherits, and how the child is told of them.

    `gpu_indices` are NVML's numbers of its GPUs; None where nobody shared them out.
    """

    fds: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    gpu_indices: tuple[int, ...] | None = None


@dataclass
class Context:
    """Everything that a stage may look at. `outputs` holds the stages before it, by name.

    `env` is what the person's environment was at launch. `hold` is what the run was granted before it began; where it
    is not, `take_turn` waits for devices as soon as training needs them. `child_at_work`: a child is listening for a
    request to stop.
    """

    shed: Shed
    run: Run
    spec: ProjectSpec
    project_dir: Path
    code_dir: Path
    python: Path
    dataset: Dataset
    version: DatasetVersion
    manifest: Manifest
    tell: Callable[[Event], None]
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    hold: Hold = field(default_factory=Hold)
    take_turn: Callable[[], AbstractContextManager[Hold]] | None = None
    child_at_work: bool = False
    outputs: dict[str, StageOutput] = field(default_factory=dict)

    @property
    def run_id(self) -> int:
        assert self.run.id is not None
        return self.run.id

    @property
    def run_dir(self) -> Path:
        return self.shed.run_dir(self.run_id)

    def directory(self, stage: str) -> Path:
        """Where an earlier stage left its files."""
        found = self.outputs[stage].directory
        assert found is not None, f"{stage} leaves no files"
        return found

    def facts(self, stage: str) -> dict[str, Any]:
        """The facts of an earlier stage; empty where it was skipped."""
        return self.outputs[stage].facts if stage in self.outputs else {}

    def key(self, stage: str) -> str:
        return self.outputs[stage].key if stage in self.outputs else ""


class Stage(Protocol):
    """One module of `runners.stages`."""

    NAME: str
    VERSION: int  # counts up when the stage's own code would give another result for the same inputs

    def skipped(self, context: Context) -> str:
        """Why this project has no such stage; empty when it has."""

    def inputs(self, context: Context) -> dict[str, Any]:
        """All that the result depends on, JSON-able: the key is its hash."""

    def work(self, context: Context, out: Path) -> dict[str, Any]:
        """Do it: write files into `out`, return facts. Raises TrainshedError when it cannot."""

    def summary(self, facts: dict[str, Any]) -> str:
        """The result in a few words."""


def stage_key(stage: Stage, inputs: dict[str, Any]) -> str:
    """The hash under which the stage's result is found again."""
    text = json.dumps([stage.NAME, stage.VERSION, inputs], sort_keys=True, default=str)
    return f"{stage.NAME}-{blake3(text.encode()).hexdigest()[:40]}"


def execute(context: Context, stages: list[Stage], until: str | None) -> None:
    """Run the stages in order, up to and with `until`. Raises what a stage raises, after writing it down."""
    for stage in stages:
        reason = stage.skipped(context)
        if reason:
            write_runs.set_stage(context.shed, context.run_id, stage.NAME, status="skipped", reason=reason)
            context.tell({"event": "stage", "stage": stage.NAME, "status": "skipped", "text": reason})
        else:
            context.outputs[stage.NAME] = _execute_one(context, stage)
        if until == stage.NAME:
            return


def _execute_one(context: Context, stage: Stage) -> StageOutput:
    inputs = stage.inputs(context)
    key = stage_key(stage, inputs)
    shed = context.shed
    found = _earlier(shed, key)
    if found is not None:
        return _reuse(context, stage, found, inputs)
    with shed.lock(key, wait=False) as mine:
        if mine:
            return _do(context, stage, key, inputs)
    context.tell({"event": "note", "text": f"{stage.NAME}: another run does the same work now; waiting for it"})
    with shed.lock(key):
        found = _earlier(shed, key)
        return _reuse(context, stage, found, inputs) if found else _do(context, stage, key, inputs)


def _do(context: Context, stage: Stage, key: str, inputs: dict[str, Any]) -> StageOutput:
    shed, run_id = context.shed, context.run_id
    context.tell({"event": "stage", "stage": stage.NAME, "status": "running"})
    began = time.time()
    write_runs.set_stage(
        shed,
        run_id,
        stage.NAME,
        status="running",
        key=key,
        inputs=inputs,
        code=context.run.code,
        params=dict(context.spec.train.params),
        started_at=began,
        ended_at=None,
        cached_from=None,
        reason="",
    )
    out = Path(tempfile.mkdtemp(prefix=f"{stage.NAME}-", dir=shed.tmp))
    try:
        facts = stage.work(context, out)
        (out / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        outputs = _keep(shed, out, key)
    except BaseException as err:
        reason = err.message if isinstance(err, TrainshedError) else (str(err) or type(err).__name__)
        status = "stopped" if isinstance(err, KeyboardInterrupt) else "failed"
        facts = err.facts if isinstance(err, TrainshedError) else {}
        write_runs.set_stage(shed, run_id, stage.NAME, status=status, ended_at=time.time(), reason=reason, facts=facts)
        context.tell({"event": "stage", "stage": stage.NAME, "status": status, "text": reason})
        raise
    finally:
        shutil.rmtree(out, ignore_errors=True)
    ended = time.time()
    write_runs.set_stage(
        shed, run_id, stage.NAME, status="done", ended_at=ended, facts=facts, outputs=outputs, reason=""
    )
    context.tell(
        {
            "event": "stage",
            "stage": stage.NAME,
            "status": "done",
            "seconds": round(ended - began, 3),
            "text": stage.summary(facts),
        }
    )
    return StageOutput(key, shed.stage_dir(key), facts, run_id)


def _keep(shed: Shed, out: Path, key: str) -> dict[str, Any]:
    """Move a finished stage's files into place; returns {path: {bytes, blake3}}."""
    outputs = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file() and not p.is_symlink()):
        outputs[path.relative_to(out).as_posix()] = {"bytes": path.stat().st_size, "blake3": hash_file(path).blake3}
    out.chmod(0o2770)
    target = shed.stage_dir(key)
    if target.exists():  # what is left of an output that was found incomplete
        shutil.rmtree(target)
    os.replace(out, target)  # noqa: PTH105 (a directory)
    return outputs


def _earlier(shed: Shed, key: str) -> StageOutput | None:
    """The result that an earlier run left under this key, if all its files are still whole."""
    stage = read_runs.finished_stage(shed, key)
    if stage is None:
        return None
    directory = shed.stage_dir(key)
    for name, output in stage.outputs.items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != output["bytes"]:
            return None
    return StageOutput(key, directory, stage.facts, stage.run_id)


def _reuse(context: Context, stage: Stage, found: StageOutput, inputs: dict[str, Any]) -> StageOutput:
    now = time.time()
    write_runs.set_stage(
        context.shed,
        context.run_id,
        stage.NAME,
        status="cached",
        key=found.key,
        cached_from=found.run_id,
        inputs=inputs,
        facts=found.facts,
        code=context.run.code,
        params=dict(context.spec.train.params),
        started_at=now,
        ended_at=now,
        reason="",
    )
    context.tell(
        {
            "event": "stage",
            "stage": stage.NAME,
            "status": "cached",
            "cached_from": found.run_id,
            "text": stage.summary(found.facts),
        }
    )
    return found
