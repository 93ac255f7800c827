"""What each call of the child does: `train` (see `training.py`), `checks`, `load` and `command`. Each returns facts for
`result.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Optional

from . import command, modules, onnx_files
from .events import Events
from .failures import Unusable
from .packages import needs
from .series import Writer
from .stopping import StopRequest
from .training import MODEL, WrongResult, train

MOST_SAMPLES = 100  # rows of one failed check that are kept to show


class LoadFailed(Unusable):
    """The user's `load` makes no array of a file."""


def perform(job: Mapping[str, Any], events: Events, stop: StopRequest) -> dict[str, Any]:
    """Do what `job["call"]` says and return its facts; what the user's code raises passes through."""
    if job["call"] == "train":
        return train(job, events, stop)
    if job["call"] == "checks":
        return checks(job)
    if job["call"] == "load":
        return load(job, events)
    if job["call"] == "command":
        return run_command(job, events)
    raise ValueError(f"there is no call {job['call']!r}")


def checks(job: Mapping[str, Any]) -> dict[str, Any]:
    """Call the user's check with an object whose `path` is the Parquet file of the raw rows.

    It returns or yields failures: a text, or {"check": text, "count": number of rows, "rows": a few of them}. Returns
    {"failures": [that dict, …]}.
    """
    function, _ = modules.entry(job["entry"])
    returned = function(SimpleNamespace(path=job["data_file"]))
    if returned is None:
        return {"failures": []}
    if isinstance(returned, (str, Mapping)):
        returned = [returned]
    try:
        return {"failures": [_failure(item, job["entry"]) for item in returned]}
    except TypeError as error:
        if hasattr(returned, "__iter__"):
            raise
        raise WrongResult(
            f"{job['entry']} returned a {type(returned).__qualname__}; it returns its failures, or None"
        ) from error


def _failure(item: Any, entry: str) -> dict[str, Any]:
    if isinstance(item, str):
        return {"check": item, "count": 1, "rows": []}
    if isinstance(item, Mapping) and isinstance(item.get("check"), str):
        rows = list(item.get("rows") or [])
        return {"check": item["check"], "count": int(item.get("count", len(rows) or 1)), "rows": rows[:MOST_SAMPLES]}
    raise WrongResult(
        f'{entry} gave {item!r} as a failure; one is a text, or {{"check": text, "count": number, "rows": [row, …]}}'
    )


def load(job: Mapping[str, Any], events: Events) -> dict[str, Any]:
    """Call the user's `load(path)` for every file and stack what it gives into SPLIT/x.npy (float32) and y.npy.

    Raises:
        LoadFailed: naming the file whose array has another shape, or that could not be loaded.
    """
    numpy = needs("numpy", "loading files")
    function, _ = modules.entry(job["entry"])
    total, done = sum(len(files) for files in job["files"].values()), 0
    shape: Optional[tuple[int, ...]] = None
    for split, files in sorted(
        job["files"].items(), key=lambda item: not item[1]
    ):  # an empty one learns the shape last
        directory = os.path.join(job["out_dir"], split)
        os.makedirs(directory, exist_ok=True)
        kind = "int64" if job.get("task") not in ("binary", "regression") else "float32"
        numpy.save(os.path.join(directory, "y.npy"), numpy.array([label for _, label in files], dtype=kind))
        stacked = None
        for row, (path, _) in enumerate(files):
            array = _loaded(numpy, function, path, shape)
            if stacked is None:
                shape = array.shape
                stacked = _open(numpy, directory, (len(files), *shape))
            stacked[row] = array
            done += 1
            events.progress(done, total, f"loading {split}")
        if stacked is None:
            stacked = _open(numpy, directory, (0, *(shape or ())))
        stacked.flush()
    return {"rows": {split: len(files) for split, files in job["files"].items()}, "shape": list(shape or ())}


def _open(numpy: Any, directory: str, shape: tuple[int, ...]) -> Any:
    return numpy.lib.format.open_memmap(os.path.join(directory, "x.npy"), mode="w+", dtype="float32", shape=shape)


def _loaded(numpy: Any, function: Any, path: str, shape: Optional[tuple[int, ...]]) -> Any:
    try:
        array = numpy.asarray(function(path), dtype="float32")
    except Exception as error:
        raise LoadFailed(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    if shape is not None and array.shape != shape:
        raise LoadFailed(
            f"{path} gives an array of shape {list(array.shape)}, the files before it {list(shape)}; all must be alike"
        )
    return array


def run_command(job: Mapping[str, Any], events: Events) -> dict[str, Any]:
    """Run the project's command; a `model.onnx` that it left in TRAINSHED_OUT becomes `trained.onnx`."""
    series = Writer(os.path.join(job["run_dir"], "metrics"), tell=events.tell)
    try:
        command.run(job, series, events)
    finally:
        series.close()
    left = os.path.join(job["run_dir"], "artifacts", "model.onnx")
    if not os.path.exists(left):
        return {"model": None, "exit_code": 0}
    target = os.path.join(job["out_dir"], MODEL)
    onnx_files.take(left, target)
    return {"model": {"kind": "onnx", "file": MODEL, "bytes": os.path.getsize(target)}, "exit_code": 0}
