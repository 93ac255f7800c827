"""Having new files looked into by a process with limits, which may die of them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from storage.manifests import Column

LONGEST_S = 120.0  # for one file
COMMAND = (sys.executable, "-m", "runners.triggers.inspector")


@dataclass(frozen=True)
class Inspected:
    """What a file holds, or its `fault`: why it cannot be taken."""

    columns: list[Column] = field(default_factory=list)
    rows: int = 0
    fault: str = ""


class Inspector:
    """Asks a process with limits, which starts at the first file, or before: to `start` it takes a third of a second.

    It is to be closed; the next file starts another one.
    """

    def __init__(self, *, longest_s: float = LONGEST_S, command: Sequence[str] = COMMAND) -> None:
        self._longest_s = longest_s
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Inspector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> subprocess.Popen[bytes]:
        """Have the process ready; no file is looked at."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
        )
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def look_into(self, files: Iterable[tuple[Path, str]]) -> Iterator[Inspected]:
        """Look into each file (where it is, and the name that tells its format), in their order."""
        for path, name in files:
            process = self.start()
            found = _ask(process, path, name, self._longest_s)
            if isinstance(found, Inspected):
                yield found
            else:
                self.close()
                yield Inspected(fault=found or _how_it_ended(process.returncode))


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
