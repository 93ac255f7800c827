"""A user's project in a temporary directory, and the real child run on it as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CHILD = Path(__file__).parent.parent / "runners" / "child.py"


@dataclass(frozen=True)
class Ended:
    """How a child ended; `result` is None when it left none."""

    code: int
    out: str
    err: str
    result: dict[str, Any] | None

    @property
    def ok(self) -> dict[str, Any]:
        assert self.result is not None and self.result["ok"], f"{self.result}\n{self.err}"
        return self.result

    @property
    def error(self) -> dict[str, Any]:
        assert self.result is not None and not self.result["ok"], self.result
        error: dict[str, Any] = self.result["error"]
        return error


class Project:
    """The project's code, its prepared data, and the directories of one run of it."""

    def __init__(self, root: Path) -> None:
        self.code, self.home, self.run, self.out, self.data = (
            root / name for name in ("code", "home", "run", "out", "data")
        )
        for directory in (self.code, self.home, self.run):
            directory.mkdir(parents=True)
        self.prepared: dict[str, Any] = {}

    def write(self, **modules: str) -> Project:
        """Write modules of the project: name=source."""
        for name, source in modules.items():
            (self.code / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return self

    def prepare(self, task: str = "binary", rows: int = 60, features: int = 4) -> Project:
        """Leave what the prepare stage would: the first feature decides, the last one is a category of three codes."""
        chance = np.random.default_rng(0)
        for split in ("train", "validation", "test"):
            (self.data / split).mkdir(parents=True)
            x = chance.normal(size=(rows, features)).astype("float32")
            x[:, -1] = chance.integers(0, 3, rows)
            y = {
                "binary": (x[:, 0] > 0).astype("float32"),
                "multiclass": x[:, -1].astype("int64"),
                "regression": 3 * x[:, 0],
            }[task]
            np.save(self.data / split / "x.npy", x)
            np.save(self.data / split / "y.npy", y)
            (self.data / f"{split}.parquet").touch()
        names = [f"f{number}" for number in range(features)]
        self.prepared = {
            "data_dir": str(self.data),
            "task": task,
            "features": names,
            "categories": {names[-1]: 3},
            "classes": ["a", "b", "c"] if task == "multiclass" else [],
        }
        return self

    def job(self, call: str = "train", entry: str = "pipeline:train", **changes: Any) -> Path:
        """Write a job file."""
        job = {
            "call": call,
            "entry": entry,
            "code_dir": str(self.code),
            "project_dir": str(self.home),
            "run_dir": str(self.run),
            "out_dir": str(self.out),
            "data_dir": None,
            "params": {},
            "seed": 0,
            "task": None,
            "classes": [],
            "features": [],
            "categories": {},
            "attempt": 1,
            **self.prepared,
            **changes,
        }
        path = self.run / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        return path

    def start(self, *, env: dict[str, str] | None = None, launcher: list[str] | None = None, **job: Any) -> Started:
        """Start the child on a job; `launcher` goes before the child's path in place of the interpreter alone."""
        before = [sys.executable] if launcher is None else launcher
        process = subprocess.Popen(
            [*before, str(CHILD), str(self.job(**job))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.run,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        )
        return Started(process, self.out)

    def call(self, **how: Any) -> Ended:
        """Run the child to its end."""
        return self.start(**how).ended()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What the child told of one kind."""
        lines = (self.run / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if event["event"] == kind]


@dataclass
class Started:
    """A child that runs."""

    process: subprocess.Popen[str]
    out_dir: Path

    def ended(self) -> Ended:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=120)
        file = self.out_dir / "result.json"
        result = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        return Ended(self.process.returncode, out, err, result)
