"""Running a command in place of a function: any program, told by its environment where things are.

It may append lines such as `{"step": 1, "train/loss": 0.3}` to the file TRAINSHED_METRICS, and leave its model as
`model.onnx` in the directory TRAINSHED_OUT.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Optional

from .events import Events
from .failures import Unusable
from .series import Writer
from .stopping import LOOK_SECONDS

READ_SECONDS = 0.2
MOST_TOLD = 20  # malformed lines that are told one by one
PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.\-]*)\}")


class WrongCommand(Unusable):
    """The command cannot be started as it stands."""


class CommandFailed(Unusable):
    """The command ended with an exit code other than 0, or by a signal."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def arguments(command: str, params: Mapping[str, Any]) -> list[str]:
    """Split a command as a shell would, without one, and fill each `{param}`; a value stays within its argument.

    Raises:
        WrongCommand: a placeholder names no param, or a quote is not closed.
    """
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise WrongCommand(f"the command {command!r} cannot be split into arguments: {error}") from None
    if not parts:
        raise WrongCommand("the command is empty")

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in params:
            near = difflib.get_close_matches(name, list(params), n=1)
            hint = f'did you mean "{{{near[0]}}}"?' if near else f"[train.params] has: {', '.join(params) or 'nothing'}"
            raise WrongCommand(
                f"the command {command!r} has the placeholder {{{name}}}, and there is no such param; {hint}"
            )
        value = params[name]
        return value if isinstance(value, str) else json.dumps(value)

    return [PLACEHOLDER.sub(value_of, part) for part in parts]


def run(job: Mapping[str, Any], series: Writer, events: Events) -> None:
    """Run `job["command"]` to its end, its metrics going into the series.

    SIGTERM, or the file that asks the run to stop, reaches it as SIGTERM.

    Raises:
        WrongCommand: it cannot be started.
        CommandFailed: it did not end with exit code 0.
    """
    parts = arguments(job["command"], job.get("params") or {})
    metrics = _Metrics(os.path.join(job["run_dir"], "metrics.jsonl"), series, events, job.get("attempt", 1) > 1)
    try:
        process = subprocess.Popen(parts, cwd=job["project_dir"], env=_environment(job, metrics.path))
    except OSError as error:
        raise WrongCommand(f"the command cannot be started: {parts[0]}: {error.strerror}") from None
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(signal.SIGTERM))
    ended = threading.Event()
    reading = threading.Thread(target=metrics.follow, args=(ended,), daemon=True)
    reading.start()
    try:
        code = _wait(process, os.path.join(job["run_dir"], "stop"))
    finally:
        ended.set()
        reading.join()
        metrics.read(last=True)
    if code > 0:
        raise CommandFailed(f"the command ended with exit code {code}", code)
    if code < 0:
        raise CommandFailed(f"the command was ended by {signal.Signals(-code).name}", 128 - code)


def _wait(process: subprocess.Popen[bytes], stop_file: str) -> int:
    asked = False
    while True:
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if not asked and os.path.exists(stop_file):
                asked = True
                process.send_signal(signal.SIGTERM)


def _environment(job: Mapping[str, Any], metrics: str) -> dict[str, str]:
    artifacts = os.path.join(job["run_dir"], "artifacts")
    os.makedirs(artifacts, exist_ok=True)
    return {
        **os.environ,
        "TRAINSHED_DATA": job.get("data_dir") or "",
        "TRAINSHED_OUT": artifacts,
        "TRAINSHED_METRICS": metrics,
        "TRAINSHED_PARAMS": json.dumps(job.get("params") or {}),
        "TRAINSHED_SEED": str(job.get("seed") or 0),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
    }


class _Metrics:
    """The file of metrics that the command appends to, read line by line into the series.

    When the command is run again, the series is cut at the first step that it logs: one that starts over starts its
    series over, one that goes on from a checkpoint of its own leaves no double.
    """

    def __init__(self, path: str, series: Writer, events: Events, again: bool) -> None:
        self.path = path
        self._series = series
        self._events = events
        self._cut_at_first_step = again
        self._read = 0
        self._rest = b""
        self._counted = 0
        self._malformed = 0
        with open(path, "wb"):
            pass

    def follow(self, ended: threading.Event) -> None:
        while not ended.wait(READ_SECONDS):
            self.read()

    def read(self, *, last: bool = False) -> None:
        """Take the lines that are new; `last`: the line without an end too."""
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._read:
                    self._read, self._rest = 0, b""  # the command wrote the file anew
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            content = b""
        self._read += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        if last:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            if line.strip():
                self._take(line)
        if last and self._malformed > MOST_TOLD:
            self._events.warn(f"{self._malformed} lines of {self.path} were no metrics")

    def _take(self, line: bytes) -> None:
        try:
            metrics = json.loads(line)
            step: Optional[int] = metrics.pop("step", None)
            if step is None:
                step = self._counted
                self._counted += 1
            if self._cut_at_first_step:
                self._series.truncate_from_step(step)
                self._cut_at_first_step = False
            self._series.log(metrics, step)
        except (ValueError, TypeError, AttributeError) as error:
            self._malformed += 1
            if self._malformed <= MOST_TOLD:
                shown = line[:200].decode("utf-8", "replace")
                self._events.warn(f"a line of {os.path.basename(self.path)} is no metrics: {shown!r} ({error})")
