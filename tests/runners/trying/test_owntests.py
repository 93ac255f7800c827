from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runners.trying import owntests
from storage.errors import RunFailed

PYTHON = Path(sys.executable)
ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # ours take pytest a second to load
CODE = "import unittest\nimport pipeline\n\nclass Of(unittest.TestCase):\n    def test_one(self):\n        "


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.py").write_text("ONE = 1\n")
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.fixture
def without_pytest(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python has no pytest: a module of that name says so when it is imported."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "pytest.py").write_text("raise ImportError('no pytest here')\n")
    return {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "hidden")}


def test_pytest_runs_them_where_it_is_installed_and_leaves_nothing_behind(project: Path) -> None:
    (project / "tests" / "test_pipeline.py").write_text(
        "import pytest\nimport pipeline\n\ndef test_one():\n    assert pipeline.ONE == 1\n\n"
        "@pytest.mark.skip\ndef test_later():\n    pass\n\ndef test_two():\n    assert pipeline.ONE == 2, 'not two'\n"
    )
    ran = owntests.run(project, PYTHON, ENVIRONMENT)
    assert (ran.by, ran.tests, ran.skipped) == ("pytest", 3, 1)
    assert [name.rpartition(".")[2] for name in ran.failed] == ["test_two"]
    assert "not two" in ran.output
    assert {path.name for path in project.rglob("*")} == {"pipeline.py", "tests", "test_pipeline.py"}


def test_unittest_runs_them_where_there_is_no_pytest(project: Path, without_pytest: dict[str, str]) -> None:
    path = project / "tests" / "test_pipeline.py"
    path.write_text(CODE + "self.assertEqual(pipeline.ONE, 1)\n")
    ran = owntests.run(project, PYTHON, without_pytest)
    assert (ran.by, ran.tests, ran.failed) == ("unittest", 1, [])
    path.write_text(CODE + "self.assertEqual(pipeline.ONE, 2)\n")
    ran = owntests.run(project, PYTHON, without_pytest)
    assert ran.tests == 1 and "test_one" in ran.failed[0] and "1 != 2" in ran.output


def test_a_test_that_cannot_be_imported_fails(project: Path, without_pytest: dict[str, str]) -> None:
    (project / "tests" / "test_pipeline.py").write_text("import nowhere\n")
    with_unittest = owntests.run(project, PYTHON, without_pytest)
    assert with_unittest.failed and "nowhere" in with_unittest.output
    try:
        failed = owntests.run(project, PYTHON, ENVIRONMENT).failed
    except RunFailed as err:
        failed = [err.message]
    assert failed and "pipeline" in failed[0]


def test_a_folder_without_tests_is_told_apart_from_tests_that_pass(
    project: Path, without_pytest: dict[str, str]
) -> None:
    assert not owntests.there_are(project)
    (project / "tests" / "common.py").write_text("X = 1\n")
    assert owntests.there_are(project)
    assert owntests.run(project, PYTHON, ENVIRONMENT).tests == 0
    assert owntests.run(project, PYTHON, without_pytest).tests == 0
