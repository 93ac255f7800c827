"""Checks of the machine, the shed, the project's interpreter and the terminal; each says what to do where it fails."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.output import can_write, coloured
from app.scope import Scope
from screens import figures
from storage.errors import TrainshedError, UsageError

State = Literal["ok", "warn", "bad"]
FICLONE = 0x40049409  # linux/fs.h
TORCH_PATIENCE_S = 120
_ASK_TORCH = """
import importlib.util, json, torch
cuda = torch.cuda.is_available()
missing = [name for name in ("numpy", "onnx", "onnxscript", "safetensors") if importlib.util.find_spec(name) is None]
devices = torch.cuda.device_count() if cuda else 0
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "devices": devices, "missing": missing}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `todo` says what to do where it is not ok."""

    name: str
    state: State
    text: str
    todo: str = ""


def checks(scope: Scope) -> Iterator[Check]:
    """All checks, each as soon as it is done. None of them raises."""
    parts: list[Callable[[], Iterator[Check]]] = [
        _python,
        _engines,
        lambda: _shed(scope),
        lambda: _interpreter(scope),
        _gpus,
        _git,
        lambda: _terminal(scope),
    ]
    for part in parts:
        try:
            yield from part()
        except (OSError, TrainshedError) as err:
            yield Check("check", "bad", str(err))


def _python() -> Iterator[Check]:
    yield Check("Python", "ok", f"{platform.python_version()}  {sys.executable}")


def _engines() -> Iterator[Check]:
    from storage.journal import WAL_SAFE_SINCE

    safe = ".".join(map(str, WAL_SAFE_SINCE))
    rule = (
        "write-ahead log"
        if sqlite3.sqlite_version_info >= WAL_SAFE_SINCE
        else f"rollback journal (log safe from {safe})"
    )
    yield Check("SQLite", "ok", f"{sqlite3.sqlite_version}, {rule}")
    for package in ("duckdb", "onnx", "onnxruntime"):
        try:
            found = importlib.import_module(package)
        except Exception as err:  # whatever a broken native library raises
            yield Check(
                package, "bad", f"cannot be loaded: {err}", f"pip install {package}, in trainshed's environment"
            )
        else:
            yield Check(package, "ok", str(found.__version__))


def _shed(scope: Scope) -> Iterator[Check]:
    try:
        shed = scope.shed()
    except TrainshedError as err:
        yield Check("shed", "bad", f"{err.place}: {err.message}" if err.place else err.message, err.todo)
        return
    from sqlalchemy import text

    from storage.journal import file_system, journal_mode

    writable = _writable(shed.root, shed.tmp)
    yield writable
    try:
        with shed.reading() as session:
            faults = [str(row[0]) for row in session.connection().execute(text("PRAGMA integrity_check"))]
    except TrainshedError as err:
        faults = [err.message]
    if faults == ["ok"]:
        yield Check("database", "ok", f"whole, journal: {journal_mode(shed.root)}")
    else:
        yield Check("database", "bad", f"damaged: {faults[0]}", f"put {shed.db} back from a backup")
    kept = _kept_by(shed.tmp) if writable.state == "ok" else "nothing can be kept here"
    yield Check("file system", writable.state, f"{file_system(shed.root) or 'unknown'}: {kept}")
    usage = shutil.disk_usage(shed.root)
    yield disk_check(usage.free, usage.total)


def _writable(root: Path, tmp: Path) -> Check:
    try:
        with tempfile.NamedTemporaryFile(dir=tmp, prefix="doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        return Check(
            "shed", "bad", f"{root}: cannot write and lock files: {err.strerror}", "check its permissions and disk"
        )
    return Check("shed", "ok", str(root))


def _kept_by(tmp: Path) -> str:
    """How dataset files are kept here: cheaper ways first."""
    with tempfile.TemporaryDirectory(dir=tmp, prefix="doctor-") as folder:
        source = Path(folder, "source")
        source.write_bytes(b"x" * 4096)
        with source.open("rb") as reading, Path(folder, "clone").open("wb") as writing:
            try:
                fcntl.ioctl(writing.fileno(), FICLONE, reading.fileno())
                return "reflinks, so that dataset versions cost no space"
            except OSError:
                pass
        try:
            os.link(source, Path(folder, "link"))
        except OSError:
            return "neither reflinks nor hard links, dataset files are copied"
    return "hard links, no reflinks"


def disk_check(free: int, total: int) -> Check:
    """Whether there is room for checkpoints and dataset versions."""
    told = f"{figures.size(free)} free of {figures.size(total)}"
    if free < 1_000_000_000:
        return Check("disk", "bad", told, "`trainshed gc` frees what nothing refers to; then make room")
    if free < 10_000_000_000:
        return Check("disk", "warn", told, "checkpoints and dataset versions want more; `trainshed gc` frees some")
    return Check("disk", "ok", told)


def _interpreter(scope: Scope) -> Iterator[Check]:
    try:
        folder = scope.project_dir()
    except UsageError as err:
        if scope.project is not None:
            yield Check("project", "bad", str(err.place) + ": " + err.message, err.todo)
        else:
            yield Check("project", "ok", "none here")
        yield from _torch(Path(sys.executable))
        return
    from runners.freezing.environment import interpreter
    from storage.project import load_project

    try:
        spec = load_project(folder)
    except TrainshedError as err:
        yield Check("project", "bad", f"{err.place}: {err.message}", err.todo or "mend it")
        return
    yield Check("project", "ok", f"{spec.project.name}  {folder}")
    try:
        python = interpreter(folder, spec.project.python)
    except UsageError as err:
        yield Check("interpreter", "bad", f"{err.place}: {err.message}", err.todo)
        return
    yield from _torch(python)


def _torch(python: Path) -> Iterator[Check]:
    try:
        asked = subprocess.run(
            [python, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=TORCH_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        yield Check("torch", "bad", f"{python}: {err}", "try it by hand: python -c 'import torch'")
        return
    if asked.returncode:
        last = (asked.stderr.strip().splitlines() or ["no message"])[-1]
        yield Check("torch", "warn", f"{python}: {last}", "install it there if the project trains with it")
        return
    found: dict[str, Any] = json.loads(asked.stdout.strip().splitlines()[-1])
    told = f"{found['torch']}, {'CUDA ' + found['cuda'] if found['cuda'] else 'CPU build'}  {python}"
    if found["missing"]:
        names = " ".join(found["missing"])
        yield Check("torch", "warn", f"{told}: without {names}", f"{python} -m pip install {names}")
    elif found["devices"] == 0 and _driver() is not None:
        yield Check(
            "torch", "warn", f"{told}: sees no GPU, though the driver does", "install a CUDA build that fits the driver"
        )
    else:
        yield Check("torch", "ok", told)


def _driver() -> Any:
    from runners.gpus import driver

    return driver()


def _gpus() -> Iterator[Check]:
    found = _driver()
    if found is None:
        yield Check(
            "GPUs", "warn", "no NVIDIA driver; training runs on the CPU", "install the driver if there is a GPU"
        )
        return
    if not found.devices:
        yield Check("GPUs", "warn", f"driver {found.version}, no GPU", "see `nvidia-smi`")
    for device in found.devices:
        told = f"{device.name}, {figures.size(device.memory_bytes)}, driver {found.version}, CUDA {found.cuda}"
        yield Check(f"gpu{device.index}", "ok", told)


def _git() -> Iterator[Check]:
    git = shutil.which("git")
    if git is None:
        yield Check("git", "warn", "not found: runs cannot say which commit they came from", "install git")
        return
    told = subprocess.run([git, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    yield Check("git", "ok", told.removeprefix("git version "))


def _terminal(scope: Scope) -> Iterator[Check]:
    stream = scope.out.people
    if not stream.isatty():
        yield Check("terminal", "ok", f"none (a pipe), {stream.encoding}")
        return
    size = shutil.get_terminal_size()
    told = f"{size.columns}×{size.lines}, {os.environ.get('TERM', 'no TERM')}, {stream.encoding}"
    told += f", {'colours' if coloured(stream) else 'no colours'}"
    if not can_write(stream, "✓⣿━"):
        yield Check("terminal", "warn", told, "set a UTF-8 locale, such as LANG=C.UTF-8")
    elif size.columns < 80 or size.lines < 24:
        yield Check("terminal", "warn", told, "make it 80×24 or larger")
    else:
        yield Check("terminal", "ok", told)
