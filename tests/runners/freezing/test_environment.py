"""The environment of a run is written down, without its secrets."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from runners.freezing.environment import capture, interpreter
from storage.errors import UsageError


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a virtual environment of its own, without pip."""
    project = tmp_path_factory.mktemp("project")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project / ".venv")], check=True)
    return project


def test_without_a_setting_it_is_our_interpreter(tmp_path: Path) -> None:
    assert interpreter(tmp_path, None) == Path(sys.executable)


def test_a_setting_is_relative_to_the_project_and_its_link_is_kept(venv: Path) -> None:
    python = interpreter(venv, ".venv/bin/python")
    assert python == venv / ".venv" / "bin" / "python"
    found = capture(python)
    assert found["python"]["prefix"] == str(venv / ".venv")
    assert found["packages"] == {}


def test_a_bare_name_is_looked_up_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "snake").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter(tmp_path / "project", "snake") == tmp_path / "snake"


def test_a_missing_interpreter_is_told_with_key_path_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        interpreter(tmp_path, ".venv/bin/python")
    assert str(tmp_path / ".venv/bin/python") in caught.value.message
    assert '[project] python = ".venv/bin/python"' in caught.value.place
    assert f"python3 -m venv {tmp_path / '.venv'}" in caught.value.todo


def test_a_directory_instead_of_an_interpreter_gets_the_right_line(venv: Path) -> None:
    with pytest.raises(UsageError) as caught:
        interpreter(venv, ".venv/")
    assert caught.value.todo == 'write python = ".venv/bin/python"'


def test_a_file_that_may_not_be_executed_is_told(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    with pytest.raises(UsageError, match="not executable"):
        interpreter(tmp_path, "./python")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho oh no >&2; exit 3\n", "no working Python interpreter: oh no"),
        ('#!/bin/sh\necho \'{"version": "3.7.1", "folders": {}}\'\n', "too old"),
        ("no program\n", "cannot be run"),
    ],
)
def test_a_program_that_is_no_usable_python_is_told(tmp_path: Path, script: str, message: str) -> None:
    program = tmp_path / "python"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(UsageError, match=message):
        capture(program)


def test_our_own_environment_is_captured_and_fits_into_json() -> None:
    found = json.loads(json.dumps(capture(Path(sys.executable))))
    assert found["python"]["version"] == platform.python_version()
    for package in ("numpy", "blake3", "scikit-learn"):
        assert found["packages"][package] == version(package)
    assert found["cpu"]["count"] == os.cpu_count()
    assert found["memory_bytes"] > 1e8
    assert found["host"] == platform.node()


def test_a_package_installed_since_is_seen(venv: Path) -> None:
    python = venv / ".venv" / "bin" / "python"
    before = capture(python)["packages"]
    (site,) = (venv / ".venv" / "lib").glob("python3*/site-packages")
    (site / "New_Thing-1.2.dist-info").mkdir()
    torch = site / "torch"
    torch.mkdir()
    (torch / "version.py").write_text("from typing import Optional\ncuda: Optional[str] = '12.8'\n")
    after = capture(python)
    assert "new-thing" not in before
    assert after["packages"] == {**before, "new-thing": "1.2"}
    assert after["torch_cuda"] == "12.8"


def test_variables_are_kept_where_they_matter_and_never_with_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789")
    monkeypatch.setenv("HF_ENDPOINT", "https://ana:s3cr3t-pw@hub.local")
    monkeypatch.setenv("MY_PRIVATE_THING", "x")
    variables = capture(Path(sys.executable))["variables"]
    assert variables["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert variables["WANDB_API_KEY"] is None
    assert variables["HF_ENDPOINT"] is None
    assert "MY_PRIVATE_THING" not in variables
