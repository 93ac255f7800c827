"""The project's own tests: run by pytest where the project's interpreter has it, else by unittest."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from storage.errors import RunFailed

FOLDER = "tests"
LINES = 60  # of what the tests print, the last ones
UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)
NO_TESTS = 5  # pytest's exit code, and since Python 3.12 unittest's


@dataclass(frozen=True)
class Ran:
    """How the tests ended. `by` is pytest or unittest, `failed` the names of those that did not pass."""

    by: str
    tests: int
    skipped: int
    failed: list[str]
    output: str


def there_are(project_dir: Path) -> bool:
    """Whether the project has a folder `tests` with Python in it."""
    return any((project_dir / FOLDER).rglob("*.py"))


def run(project_dir: Path, python: Path, env: Mapping[str, str]) -> Ran:
    """Run the tests in the project's directory, which they can import from. They leave no caches there.

    Raises:
        RunFailed: when they could not be run at all, with what was said.
    """
    path = os.pathsep.join([str(project_dir), *filter(None, [env.get("PYTHONPATH")])])
    env = {**env, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    if _has_pytest(project_dir, python, env):
        return _by_pytest(project_dir, python, env)
    return _by_unittest(project_dir, python, env)


def _has_pytest(project_dir: Path, python: Path, env: Mapping[str, str]) -> bool:
    asked = subprocess.run([python, "-c", "import pytest"], cwd=project_dir, env=env, capture_output=True, check=False)
    return asked.returncode == 0


def _by_pytest(project_dir: Path, python: Path, env: Mapping[str, str]) -> Ran:
    with tempfile.TemporaryDirectory(prefix="trainshed-junit-") as folder:
        report = Path(folder) / "junit.xml"
        command: list[str | Path] = [
            python,
            "-m",
            "pytest",
            FOLDER,
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
        ]
        code, output = _output(command, project_dir, env)
        if code == NO_TESTS:
            return Ran("pytest", 0, 0, [], output)
        try:
            cases = list(ElementTree.parse(report).getroot().iter("testcase"))
        except (OSError, ElementTree.ParseError):
            raise _unusable("pytest", code, output) from None
    failed = [f"{case.get('classname')}.{case.get('name')}" for case in cases if _has(case, "failure", "error")]
    if code and not failed:
        raise _unusable("pytest", code, output)
    return Ran("pytest", len(cases), sum(_has(case, "skipped") for case in cases), failed, output)


def _by_unittest(project_dir: Path, python: Path, env: Mapping[str, str]) -> Ran:
    code, output = _output([python, "-m", "unittest", "discover", "-s", FOLDER], project_dir, env)
    ran = UNITTEST.search(output)
    if ran is None:
        raise _unusable("unittest", code, output)
    failed = re.findall(r"^(?:FAIL|ERROR): (.+)$", output, re.MULTILINE)
    if code not in (0, NO_TESTS) and not failed:
        raise _unusable("unittest", code, output)
    skipped = re.search(r"skipped=(\d+)", output)
    return Ran("unittest", int(ran[1]), int(skipped[1]) if skipped else 0, failed, output)


def _output(command: list[str | Path], project_dir: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and the last lines of what was said."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=project_dir,
            env=dict(env),
            check=False,
        )
        said.seek(max(0, said.seek(0, os.SEEK_END) - 100_000))
        text = said.read().decode(errors="replace")
    return done.returncode, "\n".join(text.strip().splitlines()[-LINES:])


def _has(case: ElementTree.Element, *kinds: str) -> bool:
    return any(case.find(kind) is not None for kind in kinds)


def _unusable(by: str, code: int, output: str) -> RunFailed:
    return RunFailed(f"{by} ended with exit code {code}\n{output}", place=FOLDER)
