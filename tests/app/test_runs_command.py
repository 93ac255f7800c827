from __future__ import annotations

import csv
import io
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runners.supervision import processes
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.app.conftest import Call
from tests.scenes import dataset_version_of, model_version_of, run_of, write_series
from tests.waiting import until

ROOT = Path(__file__).parents[2]
EVIL = "evil\x1b[31m\x07[bold]name[/bold]"


def test_a_list_in_a_pipe_is_tab_separated_newest_first(call: Call, shed: Shed) -> None:
    for lr in (0.1, 0.01):
        run_of(shed, params={"lr": lr}, metrics={"test/auroc": 0.6 + lr})
    listed = call("runs", "list", "--columns", "lr,auroc").out.splitlines()
    assert listed[0].split("\t") == ["run", "name", "status", "user", "started", "project", "lr", "auroc"]
    assert [line.split("\t")[0] for line in listed[1:]] == ["2", "1"]
    assert listed[1].split("\t")[-2:] == ["0.01", "0.61"]


def test_a_short_metric_name_sorts_filters_and_shows_the_long_one(call: Call, shed: Shed) -> None:
    for auroc in (0.6, 0.8, 0.7):
        run_of(shed, metrics={"test/auroc": auroc, "val/auroc": 0.5})
    by_auroc = call("runs", "list", "--sort", "-auroc", "--json").lines
    assert [line["run"] for line in by_auroc[:-1]] == [2, 3, 1]
    assert "0.8" in call("runs", "list", "--sort", "-auroc").out.splitlines()[1]
    assert [line["run"] for line in call("runs", "list", "auroc>=0.7", "--json").lines[:-1]] == [3, 2]


def test_filters_limits_and_what_was_left_out(call: Call, shed: Shed) -> None:
    for status in ("done", "failed", "failed"):
        run_of(shed, status=status)
    assert call("runs", "list", "status=failed", "--json").finished["total"] == 2
    limited = call("runs", "list", "--limit", "1")
    assert len(limited.out.splitlines()) == 2
    assert "1 of 3; --limit shows more" in limited.err
    assert call("runs", "list", "lr>high").code == 2
    nobody = call("runs", "list", "status=queued").err
    assert "no runs fit the filter" in nobody and "no run has" not in nobody


def test_a_name_in_a_filter_that_no_run_has_is_told_with_the_nearest(call: Call, shed: Shed) -> None:
    run_of(shed, metrics={"test/auroc": 0.7}, params={"epochs": 3})
    assert 'no run has "aurok"; did you mean "auroc"?' in call("runs", "list", "aurok>0.1").err
    assert 'no run has "epoch"; did you mean "epochs"?' in call("runs", "list", "epoch=3").err
    assert "no run has" not in call("runs", "list", "auroc>0.9").err


def test_in_a_project_only_its_runs_are_listed(call: Call, shed: Shed, tmp_path: Path) -> None:
    (tmp_path / "empty" / "trainshed.toml").write_text('[project]\nname = "mine"\n[gate]\nmetric = "auroc"\n')
    run_of(shed, "mine", metrics={"test/auroc": 0.7})
    run_of(shed, "theirs")
    listed = call("runs", "list").out
    assert "theirs" not in listed
    assert listed.splitlines()[0].endswith("auroc")
    assert "theirs" in call("runs", "list", "--all-projects").out
    (tmp_path / "empty" / "trainshed.toml").write_text("[project\n")
    assert "theirs" in call("runs", "list").out


def test_nothing_from_outside_reaches_the_terminal_as_a_command(call: Call, shed: Shed) -> None:
    run = run_of(shed, EVIL, status="failed", reason=EVIL, params={"p\x1b[0m": EVIL}, log=EVIL.encode() + b"\n")
    write_runs.add_note(shed, run.id or 0, EVIL)
    for args in (["list"], ["show", "1"], ["logs", "1"], ["compare", "1", "1"], ["metrics", "1"]):
        told = call("runs", *args)
        assert not set(told.out + told.err) & set(map(chr, [*range(9), *range(11, 32), 127]))
    assert "[bold]name[/bold]" in call("runs", "list").out


def test_a_run_is_shown_whole(call: Call, shed: Shed) -> None:
    data = dataset_version_of(shed, "flights", {"a.csv": b"1"})
    run = run_of(
        shed,
        status="failed",
        reason="out of memory",
        params={"lr": 0.1},
        metrics={"test/auroc": 0.7, "train/loss": float("nan")},
        log=b"epoch 1\nKilled\n",
        dataset_version_id=data.id,
        commit="abc123" * 6,
        dirty=True,
        tags=("base",),
    )
    other = run_of(shed)
    write_runs.set_stage(shed, run.id or 0, "prepare", status="cached", key="k", cached_from=other.id)
    write_runs.set_stage(
        shed, run.id or 0, "train", status="failed", key="t", started_at=1.0, ended_at=3.5, reason="oom"
    )
    write_runs.add_note(shed, run.id or 0, "first try")
    write_runs.add_artifact(shed, run.id or 0, "plot.png", "a" * 64, 2000)
    told = call("runs", "show", "r1").out
    for part in (
        "out of memory", "flights v1", "abc123abc123 with changes", "base", "from run 2", "2.5 s", "oom",
        "test/auroc", "0.7000", "NaN", "from step 0", "plot.png", "2.0 kB", "first try", "Killed", "lr",
    ):  # fmt: skip
        assert part in told, part
    lines = call("runs", "show", "1", "--json").lines
    assert lines[0]["metrics"]["train/loss"] == "NaN"
    assert [line["stage"] for line in lines if line["event"] == "stage"] == ["prepare", "train"]
    assert lines[0]["last_lines"] == ["epoch 1", "Killed"]


def test_the_model_of_a_run_is_shown_with_it(call: Call, shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    assert "flight-delay v1" in call("runs", "show", "1").out


def test_logs_print_the_end_and_raw_bytes_only_into_a_pipe(call: Call, shed: Shed) -> None:
    run_of(shed, log=b"one\n\x1b[31mtwo\x1b[0m\n 5%\r100%\n")
    assert call("runs", "logs", "1").out == "one\ntwo\n100%\n"
    assert call("runs", "logs", "1", "-n", "1").out == "100%\n"
    assert [line.get("text") for line in call("runs", "logs", "1", "--json").lines[:-1]] == ["one", "two", "100%"]
    raw = subprocess.run(
        [sys.executable, "-m", "app.cli", "--shed", str(shed.root), "runs", "logs", "1", "--raw"],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    assert raw.stdout == b"one\n\x1b[31mtwo\x1b[0m\n 5%\r100%\n"


def on_a_terminal(shed: Shed, *args: str, **environment: str) -> tuple[int, str]:
    """Call trainshed in a process whose stdout is a terminal; returns its exit code and all that it wrote there."""
    main, second = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    started = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "--shed", str(shed.root), *args],
        stdin=subprocess.DEVNULL, stdout=second, stderr=second, cwd=ROOT, env=env,
    )  # fmt: skip
    os.close(second)
    written = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        written += piece
    os.close(main)
    return started.wait(), written.decode().replace("\r\n", "\n")


def test_on_a_terminal_there_are_colours_and_relative_times(shed: Shed) -> None:
    run_of(shed, EVIL, status="failed", log=b"\x1b[2J\x1b]0;owned\x07line\n")
    code, told = on_a_terminal(shed, "runs", "list", NO_COLOR="")
    assert code == 0
    assert re.search(r"just now|\d+ s ago", told)
    assert "\x1b[31mfailed" in told and "evil\\x1b[31m\\x07[bold]name[/bold]" in told
    code, told = on_a_terminal(shed, "runs", "list", NO_COLOR="1")
    assert "\x1b" not in told
    assert on_a_terminal(shed, "runs", "logs", "1")[1] == "line\n"
    code, told = on_a_terminal(shed, "runs", "logs", "1", "--raw")
    assert code == 2 and "--raw is for a pipe" in told


def test_a_log_is_followed_to_the_end_of_the_run(shed: Shed) -> None:
    run = run_of(shed, status="running", log=b"one\ntwo\n")
    log = shed.run_dir(run.id or 0) / "log"
    following = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "--shed", str(shed.root), "runs", "logs", "1", "-n", "1", "--follow"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert following.stdout is not None
    seen: list[str] = []
    reading = threading.Thread(target=lambda: seen.extend(following.stdout or ()))
    reading.start()
    until(lambda: seen == ["two\n"])
    with log.open("ab") as file:
        file.write(b"three\nfo")
    until(lambda: seen == ["two\n", "three\n"])
    with log.open("ab") as file:
        file.write(b"ur\nfive")
    write_runs.finish(shed, run.id or 0, "done", 0)
    assert following.wait(timeout=20) == 0
    reading.join()
    assert seen == ["two\n", "three\n", "four\n", "five\n"]


def test_series_are_printed_exactly(call: Call, shed: Shed) -> None:
    run = run_of(shed)
    write_series(shed.run_dir(run.id or 0) / "metrics", "train/loss", [0.1, float("nan"), 1 / 3])
    rows = list(csv.reader(io.StringIO(call("runs", "metrics", "1", "train/loss", "--csv").out)))
    assert rows[0] == ["step", "time", "value"]
    assert [(row[0], row[2]) for row in rows[1:]] == [("0", "0.1"), ("1", "NaN"), ("2", repr(1 / 3))]
    everything = list(csv.reader(io.StringIO(call("runs", "metrics", "1", "--csv").out)))
    assert everything[1][:2] == ["train/loss", "0"]
    points = call("runs", "metrics", "1", "train/loss", "--json").lines
    assert [point["value"] for point in points[:-1]] == [0.1, "NaN", 1 / 3]
    wrong = call("runs", "metrics", "1", "train/los")
    assert wrong.code == 2 and 'did you mean "train/loss"?' in wrong.err


def test_a_comparison_shows_what_differs_and_marks_the_best(call: Call, shed: Shed) -> None:
    first, second = (dataset_version_of(shed, "flights", {"a.csv": data}) for data in (b"1", b"2"))
    run_of(
        shed, params={"lr": 0.1, "same": 1}, metrics={"test/auroc": 0.7, "train/loss": 0.4}, dataset_version_id=first.id
    )
    run_of(
        shed,
        params={"lr": 0.2, "same": 1},
        metrics={"test/auroc": 0.8, "train/loss": 0.5},
        dataset_version_id=second.id,
    )
    told = call("runs", "compare", "1", "2").out
    assert "lr" in told and "same" not in told
    assert "0.8000 ★" in told and "0.4000 ★" in told
    assert "flights v1" in told and "flights v2" in told
    facts = call("runs", "compare", "1", "2", "--json").lines[0]
    assert facts["metrics"]["test/auroc"]["best"] == [2]
    assert call("runs", "compare", "1", "2", "--format", "markdown").out.startswith("|  | 1 flight-delay | 2")
    rows = list(csv.reader(io.StringIO(call("runs", "compare", "1", "2", "--format", "csv").out)))
    assert ["metric", "test/auroc", "0.7", "0.8"] in rows
    assert call("runs", "compare", "1", "2", "--format", "xml").code == 2
    assert call("runs", "compare", "1").code == 2


def test_notes_and_tags_are_kept_and_bad_tags_refused(call: Call, shed: Shed) -> None:
    run_of(shed)
    assert call("runs", "note", "1", "looks good").code == 0
    assert call("runs", "tag", "1", "baseline", "paper").code == 0
    assert read_runs.row(shed, 1).tags == ["baseline", "paper"]
    assert [note.text for note in read_runs.notes(shed, 1)] == ["looks good"]
    assert call("runs", "tag", "1", "../x").code == 2
    assert call("runs", "note", "1", "  ").code == 2
    assert call("runs", "note", "9", "x").code == 2
    assert call("runs", "list", "tag=paper", "--json").finished["runs"] == 1


def test_removed_runs_are_gone_with_their_files_and_models_protect_theirs(call: Call, shed: Shed) -> None:
    run_of(shed, log=b"x" * 5000)
    model_version_of(shed, run_of(shed))
    run_of(shed, status="running")
    removed = call("runs", "rm", "1", "--yes", "--json").finished
    assert removed["removed"] == [1] and removed["bytes"] >= 5000
    assert not shed.run_dir(1).exists()
    kept = call("runs", "rm", "2", "--yes")
    assert kept.code == 2 and "model version 1" in kept.err
    assert call("runs", "rm", "3", "--yes").code == 2
    assert shed.run_dir(2).exists() and shed.run_dir(3).exists()


def test_a_run_whose_supervisor_died_is_said_to_be_left_alone_and_can_be_removed(call: Call, shed: Shed) -> None:
    run = run_of(shed, status="running")
    assert "running" in call("runs", "list").out
    dead = processes.Identity(2**22 - 1, 1, processes.boot_id())
    write_runs.supervised_by(shed, run.id or 0, dead.to_json())
    assert "left alone" in call("runs", "list").out
    assert "takes it up again" in call("runs", "show", "1").out
    assert call("runs", "show", "1", "--json").lines[0]["left_alone"] is True
    assert call("runs", "rm", "1", "--yes").code == 0
    assert not shed.run_dir(1).exists()


@pytest.mark.parametrize("word", ["x1", "1.5", "-1", "", "run", "٣"])
def test_what_is_no_run_is_told(call: Call, word: str) -> None:
    assert call("runs", "show", "--", word).code == 2
