"""From a job to `result.json`: every end of the user's code becomes one, whatever it is."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from . import calls, failures, modules
from .command import CommandFailed
from .events import Events
from .files import write_json
from .stopping import StopRequest


def execute(job: Mapping[str, Any]) -> int:
    """Perform a job and write `out_dir/result.json` as the last act; returns the exit code of the process.

    Of the processes that torchrun starts, rank 0 writes the result. Another one that fails leaves `result.RANK.json`,
    from which rank 0, ended by torchrun for it, tells the cause.
    """
    rank = int(os.environ.get("RANK", "0"))
    result_file = os.path.join(job["out_dir"], f"result.{rank}.json" if rank else "result.json")
    os.makedirs(job["out_dir"], exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(result_file)  # of an earlier attempt
    events = Events(os.path.join(job["run_dir"], "events.jsonl"))
    stop = StopRequest(os.path.join(job["run_dir"], "stop"))
    stop.listen()
    code = 0
    try:
        _enter_project(job)
        result: dict[str, Any] = {"ok": True, **calls.perform(job, events, stop)}
    except BaseException as error:
        failure = failures.describe(error, job["code_dir"], job["project_dir"])
        failures.report(failure)
        result = {"ok": False, "error": failure}
        code = 1
        if isinstance(error, CommandFailed):
            code = result["exit_code"] = error.code
        elif isinstance(error, failures.Stopped) and not rank:
            result = _cause_in_another_rank(job["out_dir"]) or result
    stop.ignore()
    events.close()
    try:
        if code or not rank:
            write_json(result_file, result)
    except OSError as error:
        print(f"trainshed: the result cannot be written: {error}", file=sys.stderr)
        return 1
    return code


def _enter_project(job: Mapping[str, Any]) -> None:
    """The project's directory to work in, its frozen code to import from, and arguments that are not ours."""
    os.chdir(job["project_dir"])
    modules.import_path(job["code_dir"])
    sys.argv[:] = [job.get("entry") or job.get("command") or ""]


def _cause_in_another_rank(out_dir: str) -> Any:
    for path in sorted(glob.glob(os.path.join(glob.escape(out_dir), "result.*.json"))):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    return None
