"""Following an alias: which version is wanted now, and whether it passed its trial."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runners.serving.session import Version
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.read.changes import Changes
from storage.serve_section import ServeSection
from storage.shed import Shed
from storage.tables import ModelVersion


class Alias:
    """The version that an alias names. Asking costs microseconds as long as nobody writes to the shed."""

    def __init__(self, shed: Shed, model: str, name: str) -> None:
        self._shed = shed
        self._model = model
        self._name = name
        self._changes = Changes(shed)
        self._seen = -1
        self._found: ModelVersion | None = None

    def wanted(self) -> ModelVersion | None:
        seen = self._changes.version()
        if seen != self._seen:
            self._found = read_models.aliased(self._shed, self._model, self._name)
            self._seen = seen
        return self._found


def described(shed: Shed, model: str, version: ModelVersion) -> tuple[Version, Path | None]:
    """What a worker needs to know of a version, and where rows of its dataset lie if they are still there."""
    found = Version(
        model, version.number, version.digest, str(shed.objects.path(version.digest)), version.signature, {}
    )
    for stage in read_runs.stages(shed, version.run_id):
        if stage.name == "prepare" and stage.key:
            rows = shed.stage_dir(stage.key) / "test.parquet"
            return (replace(found, rows=str(rows)), rows) if rows.exists() else (found, None)
    return found, None


@dataclass
class Trial:
    """A version in its trial process."""

    version: Version
    process: subprocess.Popen[bytes]
    seconds: float
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    @classmethod
    def begin(cls, version: Version, rows: Path | None, rules: ServeSection, log: Any) -> Trial:
        process = subprocess.Popen(
            [sys.executable, "-m", "runners.serving.trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
        assert process.stdin is not None
        given = {
            "version": version.to_json(),
            "rows": str(rows) if rows else None,
            "threads": rules.threads,
            "device": rules.device,
            "hidden": [*rules.log.drop, *rules.log.hash],  # what no log may hold, no documentation may show
        }
        try:
            process.stdin.write(json.dumps(given).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has died already, which `verdict` will tell
        return cls(version, process, rules.trial_s)

    def verdict(self) -> tuple[Version | None, str] | None:
        """The version with its example, or why it may not serve; None while the trial goes on."""
        if self.process.poll() is None:
            if time.monotonic() < self.deadline:
                return None
            self.process.kill()
            self.process.wait()
            return None, f"it hung in its trial and was ended after {self.seconds:g} s"
        assert self.process.stdout is not None
        said = self.process.stdout.read()
        self.process.stdout.close()
        try:
            told = json.loads(said)
        except ValueError:
            code = self.process.returncode
            return None, f"it crashed in its trial: {'signal ' + str(-code) if code < 0 else 'exit code ' + str(code)}"
        if "refused" in told:
            return None, str(told["refused"])
        return replace(self.version, example=told["example"]), ""

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
