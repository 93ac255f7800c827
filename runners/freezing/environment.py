"""What a run was executed with: the user's interpreter and its packages, the machine, the driver, the variables."""

from __future__ import annotations

import json
import os
import platform
import pwd
import re
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from runners import gpus
from runners.freezing import secrets
from runners.supervision.processes import read_proc
from storage.errors import UsageError

OLDEST_PYTHON = (3, 9)
PATIENCE_S = 60.0

# Run in the user's interpreter, standard library only. Names and versions come from the names of the directories that
# installers leave: opening each one's METADATA would take a second for a large environment.
_SCRIPT = """
import json, os, platform, re, sys
packages, folders = {}, {}
for folder in dict.fromkeys(sys.path):
    try:
        names = os.listdir(folder)
        folders[folder] = os.stat(folder).st_mtime_ns
    except OSError:
        continue
    for name in names:
        found = re.match(r"([^-]+)-([^-]+)(?:-.*)?\\.(?:dist-info|egg-info|egg)$", name)
        if found and not name.startswith("~"):
            packages.setdefault(found[1].replace("_", "-").lower(), found[2])
cuda = None
for folder in folders:
    try:
        with open(os.path.join(folder, "torch", "version.py")) as file:
            found = re.search(r"^cuda[^=\\n]*= *['\\"]([\\d.]+)", file.read(), re.M)
    except OSError:
        continue
    cuda = found[1] if found else None
    break
print(json.dumps({
    "version": platform.python_version(), "implementation": platform.python_implementation(),
    "executable": sys.executable, "prefix": sys.prefix, "packages": dict(sorted(packages.items())),
    "torch_cuda": cuda, "folders": folders,
}))
"""
_VARIABLES = re.compile(
    r"^(?:CUDA|CUDNN|CUBLAS|NCCL|NVIDIA|TORCH|PYTORCH|TORCHINDUCTOR|TRITON|OMP|MKL|OPENBLAS|KMP|GOMP|NUMEXPR|XLA|HF|TRANSFORMERS"
    r"|WANDB|MLFLOW|SLURM|PYTHON|CONDA|VIRTUAL_ENV|LD_LIBRARY_PATH|LD_PRELOAD|TRAINSHED|TZ$|LANG$|LC_)"
)
_known: dict[Path, dict[str, Any]] = {}


def interpreter(project_dir: Path, setting: str | None) -> Path:
    """The interpreter that `[project] python` names, relative to the project; ours where it names none.

    A name without a slash that is no file of the project is looked up on PATH.

    Raises:
        UsageError: when there is no such program.
    """
    if setting is None:
        return Path(sys.executable)
    # Not resolved: a virtual environment is known by the path of the link in it.
    path = Path(os.path.abspath(project_dir / Path(setting).expanduser()))  # noqa: PTH100
    if path.is_file() and os.access(path, os.X_OK):
        return path
    on_path = shutil.which(setting) if "/" not in setting else None
    if on_path is not None and not path.exists():
        return Path(on_path)
    place = f'{project_dir / "trainshed.toml"}: [project] python = "{setting}"'
    inside = path / "bin" / "python"
    if inside.is_file():
        raise UsageError(
            "this is a directory, not an interpreter",
            place=place,
            todo=f'write python = "{setting.rstrip("/")}/bin/python"',
        )
    if path.exists():
        raise UsageError(f"{path} is not executable", place=place, todo=f"chmod +x {path}, or name another interpreter")
    raise UsageError(
        f"there is no {path}",
        place=place,
        expected="the path of a Python interpreter, relative to the project",
        todo=_how_to_make(project_dir, path),
    )


def capture(python: Path) -> dict[str, Any]:
    """All that may explain why a run went as it did, ready for JSON.

    Keys: `python` (version, implementation, executable, prefix), `packages` (name → version), `torch_cuda`, `platform`,
    `cpu` (model, count, usable), `memory_bytes`, `driver` (version, cuda) or None, `gpus`, `host`, `user`, and
    `variables`, of which one that may hold a secret has None for its value.

    Raises:
        UsageError: when the interpreter cannot be run, or is older than Python 3.9.
    """
    found = _ask(python)
    driver = gpus.driver()
    return {
        "python": {key: found[key] for key in ("version", "implementation", "executable", "prefix")},
        "packages": found["packages"],
        "torch_cuda": found["torch_cuda"],
        "platform": {"system": platform.platform(), "kernel": platform.release(), "machine": platform.machine()},
        "cpu": {"model": _cpu_model(), "count": os.cpu_count(), "usable": len(os.sched_getaffinity(0))},
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "driver": {"version": driver.version, "cuda": driver.cuda} if driver is not None else None,
        "gpus": [vars(device) for device in driver.devices] if driver is not None else [],
        "host": socket.gethostname(),
        "user": _user(),
        "variables": _variables(),
    }


def _ask(python: Path) -> dict[str, Any]:
    """What the interpreter says about itself; asked again only when a package was installed or removed since."""
    known = _known.get(python)
    if known is None or any(_mtime(folder) != mtime for folder, mtime in known["folders"].items()):
        known = _known[python] = _run_script(python)
    return known


def _run_script(python: Path) -> dict[str, Any]:
    place = f"[project] python ({python})"
    try:
        done = subprocess.run(
            [python, "-c", _SCRIPT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"does not answer within {PATIENCE_S:g} s", place=place, todo="try it by hand") from None
    except OSError as err:
        raise UsageError(f"cannot be run: {err.strerror}", place=place, expected="a Python interpreter") from err
    try:
        found: dict[str, Any] = json.loads(done.stdout)
        version = tuple(int(part) for part in found["version"].split(".")[:2])
    except (ValueError, KeyError, TypeError):
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UsageError(
            "is no working Python interpreter" + "".join(f": {line}" for line in said),
            place=place,
            todo="try it by hand",
        ) from None
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise UsageError(f"Python {found['version']} is too old", place=place, expected=f"Python {oldest} or newer")
    return found


def _how_to_make(project_dir: Path, path: Path) -> str:
    if path.parent.name == "bin" and path.parent.parent.is_relative_to(project_dir):
        environment = path.parent.parent
        return f"make it: python3 -m venv {environment} && {environment}/bin/pip install torch onnx onnxscript"
    return "correct the path, or remove the line to use trainshed's own interpreter"


def _mtime(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


@cache
def _cpu_model() -> str:
    found = re.search(rb"^(?:model name|Model|cpu model)\s*:\s*(.+)$", read_proc("/proc/cpuinfo"), re.MULTILINE)
    return found[1].decode(errors="replace").strip() if found else platform.processor()


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _variables() -> dict[str, str | None]:
    return {
        name: None if secrets.is_secret_name(name) or secrets.scan(f"{name}={value}") else value
        for name, value in sorted(os.environ.items())
        if _VARIABLES.match(name)
    }
