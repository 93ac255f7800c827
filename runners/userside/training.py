"""The call `train`: the user's function, then what becomes of the model it returned."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Callable, Optional

from . import export, modules, onnx_files, seeds
from .events import Events
from .failures import Unusable
from .names import checked_metric_name
from .packages import has, needs
from .predictions import Raw, in_batches, predictor
from .run import Run
from .stopping import StopRequest
from .tensors import Data

MODEL = "trained.onnx"


class WrongResult(Unusable):
    """A function of the user's returned something that is of no use here."""


@dataclass
class Model:
    """A model in its file: what is told of it, how it predicts a batch (None: not here), and what its output already
    is."""

    facts: dict[str, Any]
    raw: Optional[Raw]
    activation: Optional[str]


def train(job: Mapping[str, Any], events: Events, stop: StopRequest) -> dict[str, Any]:
    """Call `train(run)`; keep its model as `trained.onnx` with reference predictions, and call the project's
    `evaluate`.

    Returns `{"model", "user_metrics", "undefined", "stopped", "restored_step", "seconds"}`; {} for a rank other than 0.
    Of the user's metrics those that are no finite number are in `undefined`, with the reason.

    Raises:
        WrongResult, ExportFailed, NotOnnx, MissingPackage: the model is of no use, with what to change.
        Exception: whatever the user's code raises.
    """
    seeds.plant(int(job.get("seed") or 0))
    clock = _Clock()
    function, module = modules.entry(job["entry"])
    clock.lap("import")
    run = Run(job, events, stop)
    try:
        returned = function(run)
        clock.lap("train")
        if run.rank:
            return {}
        model = None if returned is None else _kept(returned, job, run)
        if model and model.raw and job.get("data_dir"):
            _write_reference(model.raw, run, os.path.join(job["out_dir"], "reference"))
        clock.lap("export")
        told = None if model is None else _user_metrics(module, model, run, job)
        undefined = {n: f"evaluate returned {value}" for n, value in (told or {}).items() if not math.isfinite(value)}
        for name, reason in undefined.items():
            events.warn(f"{name} is undefined: {reason}")
        clock.lap("evaluate")
    finally:
        run.close()
    return {
        "model": model.facts if model else None,
        "user_metrics": told and {name: value for name, value in told.items() if name not in undefined},
        "undefined": undefined,
        "stopped": stop.received,
        "restored_step": run.restored_step,
        "seconds": clock.laps,
    }


def _kept(returned: Any, job: Mapping[str, Any], run: Run) -> Model:
    """Put the model that the function returned into its file."""
    target = os.path.join(job["out_dir"], MODEL)
    if export.is_module(returned):
        if not job.get("data_dir"):
            raise WrongResult(
                "the function returned a torch module, and without data there are no rows to export it with; "
                "return the path of an ONNX file"
            )
        module = export.settled(returned)
        done = export.export(module, _rows(run.data), target)
        facts = {"kind": "torch", "file": MODEL, "bytes": os.path.getsize(target), **asdict(done)}
        activation = onnx_files.last_activation(target) if has("onnx") else None
        return Model(facts, export.raw_of(module), activation)
    if isinstance(returned, (str, os.PathLike)):
        onnx_files.take(os.fspath(returned), target)
        facts = {"kind": "onnx", "file": MODEL, "bytes": os.path.getsize(target)}
        raw, activation = onnx_files.matrix_model(target, job.get("task")) if has("onnxruntime") else (None, None)
        return Model(facts, raw, activation)
    kind = f"{type(returned).__module__}.{type(returned).__qualname__}".replace("builtins.", "")
    raise WrongResult(
        f"{job['entry']} returned a value of type {kind}; it returns a torch module, the path of an ONNX file, or None"
    )


def _rows(data: Data) -> Any:
    """Real rows to export with: of the first split that has any."""
    for split in (data.validation, data.test, data.train):
        x, _ = split.tensors()
        if len(x):
            return x
    raise WrongResult("the function returned a torch module, and no split has a row to export it with")


def _write_reference(raw: Raw, run: Run, directory: str) -> None:
    """Keep what the module itself says, so that packaging can compare."""
    numpy = needs("numpy", "reference predictions")
    os.makedirs(directory, exist_ok=True)
    for split in (run.data.validation, run.data.test):
        x, _ = split.tensors()
        text = f"reference predictions of {split.name}"
        y = in_batches(raw, x, lambda done, total, text=text: run.progress(done, total, text))  # type: ignore[misc]
        numpy.save(os.path.join(directory, f"{split.name}.npy"), y)


def _user_metrics(module: ModuleType, model: Model, run: Run, job: Mapping[str, Any]) -> Optional[dict[str, float]]:
    evaluate: Optional[Callable[..., Any]] = getattr(module, "evaluate", None)
    if not callable(evaluate) or job["entry"].endswith(":evaluate"):
        return None
    if model.raw is None:
        raise WrongResult(
            "evaluate(predict, data) predicts from the matrix x, and the returned ONNX file takes something else"
            if has("onnxruntime")
            else "evaluate(predict, data) needs the package onnxruntime; "
            f"type: {sys.executable} -m pip install onnxruntime"
        )
    returned = evaluate(predictor(model.raw, run.data.task, model.activation), run.data)
    if not isinstance(returned, Mapping):
        shown = type(returned).__qualname__
        raise WrongResult(f'evaluate returned a {shown}; it returns a dict of numbers such as {{"recall at 1%": 0.4}}')
    metrics = {}
    for name, value in returned.items():
        try:
            metrics[checked_metric_name(name)] = float(value)
        except (TypeError, ValueError) as error:
            raise WrongResult(f"evaluate returned {name!r}: {value!r}, which is no metric: {error}") from None
    return metrics


class _Clock:
    """Seconds of each part, one after the other."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now
