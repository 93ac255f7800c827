"""MLflow's file store: `mlruns/EXPERIMENT/RUN/` with meta.yaml, params/, metrics/ and tags/, a file for each value."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from runners.importing.mlflow import Head, origin_of, run_of, seconds
from runners.importing.sources import LONGEST_TEXT, Entry, Problem, Store
from storage.errors import DataInvalid
from storage.metrics import Series
from storage.write.imported import Imported

META = "meta.yaml"
STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}  # as meta.yaml has them
TRASH = ".trash"  # where deleted experiments go
LARGEST_META = 1 << 20
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with libyaml


def is_store(folder: Path) -> bool:
    """Whether an experiment lies in the folder."""
    return any(_experiments(folder))


def store(folder: Path) -> Store:
    """All runs of the store, by their heads. What cannot be read is a problem of its own."""
    found = Store("MLflow's file store", str(folder))
    for experiment in (*_experiments(folder), *_experiments(folder / TRASH)):
        try:
            meta = _meta(experiment)
        except DataInvalid as err:
            found.problems.append(Problem(err.place, err.message))
            continue
        gone = meta.get("lifecycle_stage") == "deleted" or experiment.parent.name == TRASH
        name = str(meta.get("name") or experiment.name)
        for run in _folders(experiment):
            if run.name in ("tags", "traces", "models", "datasets") and not (run / META).exists():
                continue
            try:
                found.entries.append(_entry(run, name, gone))
            except DataInvalid as err:
                found.problems.append(Problem(err.place, err.message))
    return found


def _entry(folder: Path, experiment: str, gone: bool) -> Entry:
    meta, place = _meta(folder), str(folder / META)
    status = meta.get("status")
    head = Head(
        id=str(meta.get("run_id") or meta.get("run_uuid") or folder.name),
        experiment=experiment,
        name=str(meta.get("run_name") or meta.get("name") or ""),
        status=STATUSES.get(status, "") if isinstance(status, int) else str(status),
        user=str(meta.get("user_id") or ""),
        started_at=seconds(meta.get("start_time"), place),
        ended_at=seconds(meta.get("end_time"), place),
        deleted=gone or meta.get("lifecycle_stage") == "deleted",
        artifacts=str(meta.get("artifact_uri") or ""),
    )
    if not head.status:
        raise DataInvalid(f"{status!r} is no status of a run", place=place, expected="1 to 5")
    parent = folder / "tags" / "mlflow.parentRunId"
    return Entry(
        origin=head.origin,
        place=str(folder),
        name=head.name or head.id,
        project=head.project,
        started_at=head.started_at,
        left_out=head.left_out,
        read=partial(_read, folder, head),
        parent=origin_of(_text(parent).strip()) if parent.is_file() else "",
    )


def _read(folder: Path, head: Head) -> Imported:
    params = {name: _text(path) for name, path in _values(folder / "params")}
    tags = {name: _text(path) for name, path in _values(folder / "tags")}
    series = {name: _series(path) for name, path in _values(folder / "metrics")}
    return run_of(head, params, tags, series, str(folder))


def _experiments(folder: Path) -> Iterator[Path]:
    return (path for path in _folders(folder) if (path / META).is_file() and not path.name.startswith((".", "models")))


def _folders(folder: Path) -> list[Path]:
    """Its folders by name; what is a link is none: a store reaches nothing outside of itself."""
    try:
        with os.scandir(folder) as items:
            return sorted(Path(item.path) for item in items if item.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as err:
        raise DataInvalid(f"cannot be read: {err.strerror}", place=str(folder)) from None


def _values(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each value: `train/loss` lies in a folder `train`."""

    def below(here: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        try:
            with os.scandir(here) as items:
                found = sorted(items, key=lambda item: item.name)
        except FileNotFoundError:
            return
        except OSError as err:
            raise DataInvalid(f"cannot be read: {err.strerror}", place=str(here)) from None
        for item in found:
            if item.is_dir(follow_symlinks=False):
                yield from below(Path(item.path), f"{prefix}{item.name}/")
            elif item.is_file(follow_symlinks=False):
                yield f"{prefix}{item.name}", Path(item.path)
            else:
                raise DataInvalid("is a link or no file", place=item.path, expected="a plain file of the store")

    return below(folder, "")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise DataInvalid(f"cannot be read: {err.strerror}", place=str(path)) from None


def _text(path: Path) -> str:
    if path.stat().st_size > 4 * LONGEST_TEXT:
        raise DataInvalid("is too long for a param or a tag", place=str(path), expected=f"{LONGEST_TEXT:,} characters")
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise DataInvalid("is no text", place=str(path), expected="UTF-8") from None


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    if not path.is_file() or path.is_symlink():
        raise DataInvalid("is not there", place=str(path), expected="what MLflow keeps of every run")
    if path.stat().st_size > LARGEST_META:
        raise DataInvalid("is too large", place=str(path))
    try:
        found = yaml.load(_bytes(path), Loader=LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        line = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise DataInvalid(f"cannot be read as YAML: {line}", place=str(path)) from None
    if not isinstance(found, dict) or not found:
        raise DataInvalid("is empty, or half written", place=str(path), expected="what MLflow keeps of every run")
    return found


def _series(path: Path) -> Series:
    """A line a point: `timestamp value [step [dataset digest]]`, the timestamp in milliseconds."""
    words = [line.split() for line in _bytes(path).splitlines() if line.strip()]
    try:
        if {len(line) for line in words} - {2, 3, 5}:
            raise ValueError("a line has another number of words")
        times = np.array([int(line[0]) for line in words], dtype=np.float64) / 1000
        values = np.array([float(line[1]) for line in words], dtype=np.float64)
        steps = np.array([int(line[2]) if len(line) > 2 else 0 for line in words], dtype=np.int64)
    except (ValueError, OverflowError) as err:
        raise DataInvalid(f"is no metric: {err}", place=str(path), expected="lines of `timestamp value step`") from None
    return Series(steps, times, values)
