"""The process that runs the user's code: `PYTHON child.py JOB.json`, in the user's interpreter, never imported by ours.

Standard library alone, Python 3.9 syntax. Everything else of ours that it needs is the package `userside` beside it,
loaded under a name of its own.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
CODE = (
    "TRAINSHED_CODE"  # tells a worker process of the user's, which starts this file anew, where the project's code is
)
# Before any other import: neither our queue.py nor the project's may stand in for the standard library's.
sys.path[:] = [path for path in sys.path if os.path.realpath(path or ".") not in (HERE, os.environ.get(CODE))]

import faulthandler  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402


def load_userside() -> None:
    """Load the package `userside` as `_trainshed`."""
    folder = os.path.join(HERE, "userside")
    spec = importlib.util.spec_from_file_location(
        "_trainshed", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None and spec.loader is not None  # the folder is beside this file
    package = importlib.util.module_from_spec(spec)
    sys.modules["_trainshed"] = package
    spec.loader.exec_module(package)


load_userside()
if __name__ == "__mp_main__":
    importlib.import_module("_trainshed.modules").import_path(os.environ[CODE])


def main(job_file: str) -> int:
    """Do the job and write its result; returns the exit code."""
    with open(job_file, encoding="utf-8") as file:
        job = json.load(file)
    os.environ[CODE] = os.path.realpath(job["code_dir"])
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    execution = importlib.import_module("_trainshed.execution")
    return int(execution.execute(job))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
