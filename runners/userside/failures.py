"""What a failure tells: the exception, and the line of the user's code it came from."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import Any, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
CHILD = os.path.join(os.path.dirname(HERE), "child.py")


class Unusable(Exception):
    """Something that the user's code gave or lacks and that must change; the message says what and how."""

    def __init_subclass__(cls) -> None:
        cls.__module__ = "trainshed"  # what a traceback shows before the name


class Stopped(BaseException):
    """The run was asked to end. Not an Exception, so that no `except Exception` of the user's holds it up."""


def describe(error: BaseException, code_dir: str, project_dir: str) -> dict[str, Any]:
    """Return `{"type", "message", "traceback", "file", "line"}` for `result.json`.

    `file` and `line` are those of the deepest frame in the user's own code (relative to the project where it lies in
    it), or null. The traceback starts at the user's code: our frames above it are cut.
    """
    roots = [os.path.realpath(path) for path in (code_dir, project_dir)]
    origin: Optional[BaseException] = error
    place = _deepest(error, roots)
    while place is None and origin is not None:
        place = _deepest(origin, roots)
        origin = origin.__cause__
    file, line = place or (None, None)
    return {
        "type": type(error).__name__,
        "message": _message(error),
        "traceback": _formatted(error),
        "file": file,
        "line": line,
    }


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the code ended the process: sys.exit({error.code!r})"
    if isinstance(error, SyntaxError):
        return str(error.msg)
    return str(error) or type(error).__name__


def _formatted(error: BaseException) -> str:
    """The traceback from the user's first frame on; where there is none of theirs, the error alone."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _deepest(error: BaseException, roots: list[str]) -> Optional[tuple[str, int]]:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        own = _own(error.filename, roots)
        if own:
            return own, error.lineno
    found = None
    trace: Optional[TracebackType] = error.__traceback__
    while trace is not None:
        own = _own(trace.tb_frame.f_code.co_filename, roots)
        if own:
            found = own, trace.tb_lineno
        trace = trace.tb_next
    return found


def _own(filename: str, roots: list[str]) -> Optional[str]:
    """The path of a file of the user's project, relative to it; None for the file of anyone else."""
    if _is_ours(filename):
        return None
    path = os.path.realpath(filename)
    for root in roots:
        if path.startswith(root + os.sep):
            inside = os.path.relpath(path, root)
            folders = inside.split(os.sep)
            return None if {"site-packages", "dist-packages"}.intersection(folders) else inside
    return None


def _is_ours(filename: str) -> bool:
    if filename.startswith("<frozen importlib"):
        return True
    path = os.path.abspath(filename)
    return path == CHILD or path.startswith(HERE + os.sep)


def report(failure: dict[str, Any]) -> None:
    """Print a failure for the log."""
    print(failure["traceback"].rstrip(), file=sys.stderr, flush=True)
