"""The door itself: options before and after the verb, exit codes, JSON, errors, start-up."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import app.cli
from storage.shed import Shed
from tests.app.conftest import Call
from tests.scenes import run_of

ROOT = Path(__file__).parents[2]


def process(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def imported(*args: str, code: int = 0) -> set[str]:
    """The modules that a command imports, in a fresh process that ends with `code`."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "app.cli", *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert told.returncode == code, told.stderr
    return {line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if line.startswith("import time:")}


def test_help_and_version_import_nothing_heavy(tmp_path: Path) -> None:
    for args in (["--help"], ["--version"]):
        found = imported(*args)
        assert not found & {"sqlmodel", "sqlalchemy", "pydantic", "rich", "numpy", "duckdb", "onnx", "sklearn", "torch"}


ENGINES = {"alembic", "duckdb", "numpy", "onnx", "onnxruntime", "optuna", "sklearn", "textual", "torch"}


def test_a_list_of_runs_imports_no_engine(shed: Shed) -> None:
    found = imported("--shed", str(shed.root), "runs", "list")
    assert not found & {*ENGINES, "rich", "storage.sections"}


def test_a_look_at_the_shed_imports_neither_engines_nor_what_a_project_says(shed: Shed) -> None:
    found = imported("--shed", str(shed.root), "status")
    assert not found & {*ENGINES, "storage.project", "storage.serve_section", "storage.trigger_section"}


def test_a_command_is_queued_without_engines_and_stages(shed: Shed) -> None:
    found = imported("--shed", str(shed.root), "exec", "--", "/no/such/program", code=2)
    assert "runners.actions.queueing" in found
    assert not found & {*ENGINES, "rich", "storage.project", "runners.launching", "runners.pipeline"}


def test_a_call_leaves_the_search_for_garbage_as_it_was(call: Call) -> None:
    for args in (["runs", "list"], ["runs", "lst"]):
        call(*args)
        assert gc.isenabled() and gc.get_freeze_count() == 0


def test_every_noun_of_the_help_can_be_called(call: Call) -> None:
    shown = call("--help").out
    for noun, line in app.cli.NOUNS.items():
        assert f"{noun} " in shown and line in shown
        assert call(noun, "--help").code == 0


def test_global_options_stand_before_or_after_the_verb(call: Call, tmp_path: Path) -> None:
    assert call("--json", "runs", "list").finished == call("runs", "list", "--json").finished
    other = tmp_path / "other"
    assert call("runs", "list", "--json", "--shed", other).code == 0
    assert (other / "shed.db").exists()


def test_a_wrong_command_line_is_told_and_ends_with_2(call: Call) -> None:
    wrong = call("runs", "lst")
    assert (wrong.code, wrong.out) == (2, "")
    assert "Did you mean 'list'?" in wrong.err and "Traceback" not in wrong.err
    assert call("runs", "lst", "--json").finished["status"] == "usage"
    assert call("--jsn").code == 2
    assert call("--set", "lr=1").code == 2
    assert "--set does not go with `runs`" in call("--set", "lr=1", "runs", "list").err


def test_a_noun_without_a_verb_shows_its_verbs(call: Call) -> None:
    told = call("runs")
    assert (told.code, told.out) == (2, "")
    assert "Usage: trainshed runs" in told.err and "compare" in told.err and "completion" not in told.err
    assert call("runs", "--json").finished["status"] == "usage"


def test_an_error_with_json_ends_in_a_finished_line_with_all_its_parts(call: Call) -> None:
    last = call("runs", "show", "99", "--json").finished
    assert last["message"] == "no run 99"
    assert set(last) == {"event", "status", "exit_code", "message", "place", "expected", "todo"}


def test_json_after_two_dashes_is_text(call: Call, shed: Shed) -> None:
    run = run_of(shed)
    assert call("runs", "note", str(run.id), "--", "--json").out == f"noted on run {run.id}\n"


def test_a_bug_is_one_line_and_keeps_its_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shed: Shed
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(sys.modules, "app.commands.runs", None)  # as if the installation had lost a file
    broken = call("runs", "list")
    assert broken.code == 1
    assert "this is a bug in trainshed" in broken.err and "Traceback" not in broken.err
    (kept,) = tmp_path.glob("trainshed-bug-*.txt")
    assert str(kept) in broken.err
    assert "Traceback (most recent call last)" in kept.read_text()


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, shed: Shed) -> None:
    for _ in range(3):
        run_of(shed, log=b"line\n" * 100)
    told = subprocess.run(
        f"{sys.executable} -m app.cli --shed {shed.root} runs logs 1 -n 100 | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert told.stdout == "line\n0\n"
    assert told.stderr == ""


def test_names_that_the_encoding_lacks_are_written_out(shed: Shed) -> None:
    run_of(shed, "flüge", reason="東京")
    told = process("--shed", str(shed.root), "runs", "list", PYTHONIOENCODING="ascii")
    assert told.returncode == 0
    assert "fl\\xfcge" in told.stdout


def test_the_version_is_told() -> None:
    told = process("--version")
    assert told.returncode == 0 and told.stdout[0].isdigit()


def test_to_leave_while_something_is_read_ends_quietly() -> None:
    script = """
import sys, threading, duckdb
from app.cli import main
endless = "select sum(range) from range(1000000000000)"
threading.Thread(target=duckdb.connect().execute, args=(endless,), daemon=True).start()
sys.argv = ["trainshed", "--version"]
main()
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.strip()


def test_what_was_kept_out_of_collections_is_not_told_as_a_leak_at_the_end() -> None:
    script = """
import gc, sys, duckdb
from app.cli import main
types = duckdb.connect().sql("select 1 as a").types
gc.freeze()
sys.argv = ["trainshed", "--version"]
main()
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_no_verb_says_what_to_do_first(call: Call, shed: Shed) -> None:
    assert "trainshed init DIR" in call().out
    run_of(shed)
    assert "trainshed runs list" in call().out
    assert call("--json").finished["runs"] == 1


def test_a_project_that_is_not_there_is_told(call: Call, tmp_path: Path) -> None:
    missing = call("-p", tmp_path / "nowhere", "--batch")
    assert missing.code == 2 and "no such directory" in missing.err
    assert call("-p", tmp_path, "runs", "list").code == 2


def test_shell_completion_knows_nouns_verbs_and_options() -> None:
    def completed(words: str, index: int) -> list[str]:
        told = process(_TRAINSHED_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(index))
        return told.stdout.split()

    assert completed("trainshed r", 1) == ["runs"]
    assert {"list", "logs"} <= set(completed("trainshed runs l", 2))
    assert "--all-projects" in completed("trainshed runs list --a", 3)
    assert "--json" in completed("trainshed runs list --j", 3)
    shown = process("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_TRAINSHED_COMPLETE=complete_bash" in shown.stdout
