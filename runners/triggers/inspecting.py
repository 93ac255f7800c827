"""Having new files looked into by a process with limits, which may die of them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from storage.manifests import Column

LONGEST_S = 120.0  # for one file
INSPECTOR = (sys.executable, "-m", "runners.triggers.inspector")


@dataclass(frozen=True)
class Inspected:
    """What a file holds, or its `fault`: why it cannot be taken."""

    columns: list[Column] = field(default_factory=list)
    rows: int = 0
    fault: str = ""


def inspect(
    files: Sequence[tuple[Path, str]], *, longest_s: float = LONGEST_S, command: Sequence[str] = INSPECTOR
) -> Iterator[Inspected]:
    """Look into each file (where it is, and the name that tells its format), in their order."""
    process: subprocess.Popen[bytes] | None = None
    try:
        for path, name in files:
            if process is None or process.poll() is not None:
                process = _started(command)
            found = _ask(process, path, name, longest_s)
            if isinstance(found, Inspected):
                yield found
            else:
                process.kill()
                process.wait()
                yield Inspected(fault=found or _how_it_ended(process.returncode))
                process = None
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
    )


def _ask(process: subprocess.Popen[bytes], path: Path, name: str, longest_s: float) -> Inspected | str:
    """The answer; a text where the process gave none: empty where it died, else what it did."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps({"path": str(path), "name": name}).encode() + b"\n")
        process.stdin.flush()
    if not select.select([process.stdout], [], [], longest_s)[0]:
        return f"reading it took longer than {longest_s:g} s"
    line = process.stdout.readline()
    try:
        told = json.loads(line)
    except ValueError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        return "" if process.returncode is None else _how_it_ended(process.returncode)
    return Inspected(
        [Column(**column) for column in told.get("columns", [])], told.get("rows", 0), told.get("fault", "")
    )


def _how_it_ended(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"reading it crashed the parser ({signal.Signals(-code).name})"
    return f"reading it ended the parser (exit code {code})"
