from __future__ import annotations

from pathlib import Path

from app import doctor
from storage.shed import Shed
from tests.app.conftest import Call

TOML = """\
[project]
name = "mine"
{python}
[dataset]
name = "d"
files = "*.csv"
[train]
entry = "pipeline:train"
"""


def states(call: Call, *args: str | Path) -> tuple[int, dict[str, dict[str, str]]]:
    told = call("doctor", *args, "--json")
    return told.code, {line["name"]: line for line in told.lines[:-1]}


def test_a_sound_machine_passes(call: Call, shed: Shed) -> None:
    code, found = states(call)
    assert code == 0, found
    assert {"Python", "SQLite", "duckdb", "onnxruntime", "shed", "database", "file system", "disk", "torch"} <= set(
        found
    )
    assert found["database"]["text"].startswith("whole")
    assert "links" in found["file system"]["text"] or "copied" in found["file system"]["text"]
    assert list(shed.tmp.iterdir()) == []


def test_people_read_a_mark_a_line_and_what_to_do(call: Call, tmp_path: Path) -> None:
    told = call("doctor", "-p", tmp_path / "nowhere")
    assert told.code == 1
    lines = told.out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("✗ project"))
    assert "no such directory" in lines[place] and "trainshed init" in lines[place + 1]


def test_a_damaged_shed_is_told(call: Call, shed: Shed) -> None:
    shed.close()
    raw = bytearray(shed.db.read_bytes())
    raw[4096:8192] = b"\xff" * 4096
    shed.db.write_bytes(raw)
    code, found = states(call)
    assert code == 1
    assert "bad" in {found["shed"]["state"], found.get("database", found["shed"])["state"]}


def test_a_projects_interpreter_is_asked_and_a_missing_one_told(call: Call, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "trainshed.toml").write_text(TOML.format(python='python = ".venv/bin/python"'))
    code, found = states(call, "-p", project)
    assert code == 1 and ".venv/bin/python" in found["interpreter"]["text"]
    (project / ".venv" / "bin").mkdir(parents=True)
    python = project / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    python.chmod(0o755)
    code, found = states(call, "-p", project)
    assert code == 0 and found["torch"]["state"] == "warn" and "No module named torch" in found["torch"]["text"]


def test_a_typo_in_the_project_file_is_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / "trainshed.toml").write_text(TOML.format(python="pyton = 1"))
    code, found = states(call, "-p", tmp_path)
    assert code == 1 and 'did you mean "python"' in found["project"]["text"]


def test_a_full_disk_is_bad_and_a_nearly_full_one_a_warning(tmp_path: Path) -> None:
    assert [doctor.disk_check(free, 500 * 10**9).state for free in (10**8, 5 * 10**9, 50 * 10**9)] == [
        "bad",
        "warn",
        "ok",
    ]
