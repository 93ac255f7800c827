from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from app.output import Output
from app.views.working import Working
from storage.read import datasets as read_datasets
from storage.shed import Shed
from tests.app.conftest import Call

ROOT = Path(__file__).parents[2]
HOSTILE = 'a\x1b[31m,[red]b[/red],"c\nd",=cmd()\n1,[bold]x,\x1b]0;title\x07,4\n'


@pytest.fixture
def call(call: Call, tmp_path: Path) -> Call:
    """Commands are typed where `data/` has one CSV file."""
    write_points(tmp_path / "empty" / "data" / "one.csv", range(100))
    return call


@pytest.fixture
def data(call: Call, tmp_path: Path) -> Path:
    return tmp_path / "empty" / "data"


def write_points(path: Path, numbers: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a,kind\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in numbers))


PROJECT = """\
[project]
name = "p"
[dataset]
name = "points"
tables = { points = "data/*.csv" }
query = "select a * 2 as twice, kind from points"
[train]
command = "true"
"""


@pytest.fixture
def project(data: Path) -> Path:
    (data.parent / "trainshed.toml").write_text(PROJECT)
    return data.parent


def test_adding_tells_version_files_rows_and_what_was_hashed(call: Call, data: Path) -> None:
    os.utime(data / "one.csv", (1.6e9, 1.6e9))
    first = call("data", "add", "points", "data/*.csv", "--note", "first light")
    assert first.code == 0 and "points v1 is a new version" in first.out
    for part in ("1  (1 hashed, 0 known by their stat)", "100", "first light"):
        assert part in first.out
    again = call("data", "add", "points", "data/*.csv", "--note", "again")
    assert "nothing new" in again.out and "(0 hashed, 1 known" in again.out
    assert "the note was not kept" in again.err
    last = call("data", "add", "points", "data/*.csv", "--json").finished
    assert (last["dataset"], last["new"], last["hashed"], last["status"]) == ("points v1", False, 0, "done")


def test_without_arguments_the_projects_dataset_is_added(call: Call, project: Path) -> None:
    assert call("data", "add", "--json").finished["dataset"] == "points v1"
    assert call("data", "add", "points", "--json").finished["new"] is False
    assert call("data", "show", "--json").finished["dataset"] == "points v1"
    assert call("data", "versions", "--json").finished["versions"] == 1
    assert call("data", "add", "-p", project, "--kind", "files").code == 2


def test_outside_of_a_project_a_name_and_files_are_asked_for(call: Call) -> None:
    for args in ([], ["points"], ["--table", "t=data/*.csv"], ["points", "data/*.csv", "--table", "t=data/*.csv"]):
        refused = call("data", "add", *args)
        assert refused.code == 2 and "error:" in refused.err
    assert "no such kind" in call("data", "add", "points", "data/*.csv", "--kind", "rows").err
    assert "no pattern" in call("data", "add", "points", "--table", "t").err
    assert "no dataset given, and no project here" in call("data", "show").err


def test_tables_are_named_one_by_one(call: Call, data: Path) -> None:
    write_points(data / "two.csv", range(5))
    added = call(
        "data", "add", "both", "--table", "a=data/one.csv", "--table", "b=data/two.csv", "--table", "b=data/o*"
    )
    assert added.code == 0
    tables = [line for line in call("data", "show", "both", "--json").lines if line["event"] == "table"]
    assert [(table["table"], table["files"], table["rows"]) for table in tables] == [("a", 1, 100), ("b", 2, 105)]
    shown = call("data", "show", "both").out
    for part in ("a  1 file, 100 rows", "b  2 files, 105 rows", "kind    text", "data/two.csv"):
        assert part in shown


def test_datasets_and_versions_are_listed(call: Call, data: Path) -> None:
    assert "no datasets yet" in call("data", "list").err
    call("data", "add", "points", "data/*.csv")
    write_points(data / "two.csv", range(50))
    call("data", "add", "points", "data/*.csv", "--reference")
    (row,) = call("data", "list").out.splitlines()[1:]
    assert row.split()[:5] == ["points", "table", "v2", "2", "150"]
    newest, oldest = call("data", "versions", "points", "--json").lines[:-1]
    assert (newest["version"], newest["by_reference"], oldest["rows"]) == (2, True, 100)
    assert "by reference" in call("data", "versions", "points").out
    assert call("data", "versions", "point").code == 2


def test_wrong_references_say_what_there_is(call: Call) -> None:
    call("data", "add", "points", "data/*.csv")
    for verb in ("show", "profile", "head", "verify", "card"):
        assert 'did you mean "points"?' in call("data", verb, "pionts").err
        assert "expected: 1 to 1" in call("data", verb, "points@v7").err
        assert call("data", verb, "../points").code == call("data", verb, "points@../1").code == 2
    assert call("data", "diff", "points", "x", "1").code == 2


def test_names_that_leave_their_place_are_refused_with_the_rule(call: Call, shed: Shed) -> None:
    for name in ("../up", "a/b", ".hidden", "a\x1b[31m"):
        refused = call("data", "add", name, "data/*.csv")
        assert refused.code == 2 and "starting with a letter" in refused.err
        assert "\x1b" not in refused.err
    assert read_datasets.every(shed) == []


def test_data_that_cannot_be_read_ends_with_3_and_names_the_file(call: Call, data: Path, shed: Shed) -> None:
    duckdb.connect().execute(f"copy (select range i from range(1000)) to '{data / 'whole.parquet'}' (format parquet)")
    (data / "torn.parquet").write_bytes((data / "whole.parquet").read_bytes()[:-50])
    (data / "empty.csv").touch()
    for name in ("torn.parquet", "empty.csv"):
        refused = call("data", "add", "bad", f"data/{name}", "--json")
        assert (refused.code, refused.finished["status"]) == (3, "invalid")
        assert refused.finished["place"] == f"data/{name}"
        assert str(shed.root) not in refused.finished["message"]
    assert read_datasets.every(shed) == []


def test_nothing_from_a_file_reaches_the_terminal_as_a_command(call: Call, data: Path) -> None:
    (data / "h.csv").write_text(HOSTILE)
    call("data", "add", "h", "data/h.csv")
    for args in (["show"], ["head"], ["profile"], ["profile", "--column", "a\x1b[31m"], ["card"]):
        told = call("data", args[0], "h", *args[1:])
        assert told.code == 0 and "\x1b" not in told.out and "\x07" not in told.out
    assert "[red]b[/red]" in call("data", "head", "h").out
    (row,) = call("data", "head", "h", "--json").lines[:-1]
    assert row["row"] == {"a\x1b[31m": 1, "[red]b[/red]": "[bold]x", "c\nd": "\x1b]0;title\x07", "=cmd()": 4}


def test_rows_are_told_exactly(call: Call) -> None:
    call("data", "add", "points", "data/*.csv")
    sql = (
        "select 20130101 as day, 0.1::double + 0.2 as d, 1.5 as dec, null as n, true as t, 'nan'::double as nan,"
        " timestamp '2013-01-01 06:00' as at, date '2013-01-01' as date, [1, 2] as l, 'a,b' as text, 1 as day"
    )
    head, row = call("data", "query", "points", sql).out.splitlines()
    assert head.split() == ["day", "d", "dec", "n", "t", "nan", "at", "date", "l", "text", "day_1"]
    for text in ("20130101 ", "0.30000000000000004", "null", "true", "NaN", "2013-01-01 06:00:00", "[1, 2]"):
        assert text in row
    line = call("data", "query", "points", sql, "--json").lines[0]["row"]
    assert (line["day"], line["d"], line["dec"], line["n"], line["nan"], line["l"]) == (
        20130101,
        0.30000000000000004,
        1.5,
        None,
        "NaN",
        [1, 2],
    )
    assert (line["at"], line["date"], line["day_1"]) == ("2013-01-01T06:00:00", "2013-01-01", 1)


def test_a_query_shows_a_hundred_rows_unless_told_otherwise(call: Call, data: Path) -> None:
    write_points(data / "two.csv", range(50))
    call("data", "add", "points", "data/*.csv")
    shown = call("data", "query", "points", "select a from data order by a")
    assert len(shown.out.splitlines()) == 101 and "the first 100 rows" in shown.err
    assert len(call("data", "query", "points", "from data", "--json").lines) == 151
    limited = call("data", "query", "points", "from data", "--limit", "2", "--json")
    assert (len(limited.lines), limited.finished["more"]) == (3, True)


def test_csv_is_what_a_program_reads_back(call: Call, data: Path) -> None:
    (data / "h.csv").write_text(HOSTILE)
    call("data", "add", "h", "data/h.csv")
    assert call("data", "query", "h", "from data", "--csv").out == HOSTILE
    assert call("data", "query", "h", "select null as a, 'x' as b", "--csv").out == "a,b\n,x\n"


def test_sql_that_does_more_than_read_is_refused(call: Call, data: Path) -> None:
    call("data", "add", "points", "data/*.csv")
    for sql in (
        "copy data to 'out.csv'",
        "select * from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "drop view data",
    ):
        refused = call("data", "query", "points", sql, "--json")
        assert (refused.code, refused.finished["status"], len(refused.lines)) == (2, "usage", 1)
    assert not (data.parent / "out.csv").exists()


def test_inside_its_project_data_is_what_the_query_gives(call: Call, project: Path) -> None:
    call("data", "add")
    assert call("data", "query", "points", "select max(twice) m from data", "--json").lines[0]["row"] == {"m": 198}
    columns = [line for line in call("data", "profile", "--query-view", "--json").lines if line["event"] == "column"]
    assert [column["name"] for column in columns] == ["twice", "kind"]
    (project / "trainshed.toml").write_text(PROJECT.replace("kind from points", "kind, colour from points"))
    told = call("data", "query", "points", "select max(a) m from data")
    assert told.code == 0 and "99" in told.out and "colour" in told.err
    os.chdir("/")
    assert call("data", "query", "points", "select max(a) m from data", "--json").lines[0]["row"] == {"m": 99}
    assert "no project with a query" in call("data", "profile", "points", "--query-view").err


def test_a_profile_is_a_line_a_column_or_all_about_one(call: Call) -> None:
    call("data", "add", "points", "data/*.csv")
    told = call("data", "profile", "points").out
    assert told.splitlines()[1].split() == ["column", "type", "nulls", "distinct", "min", "mean", "max", "values"]
    assert "x 50 %, y 50 %" in told and "██████████" in told
    one = call("data", "profile", "points", "--column", "a").out
    for part in ("integer (BIGINT)", "49.5", "0 … 4", "50 %"):
        assert part in one
    lines = call("data", "profile", "points@v1", "--column", "kind", "--json").lines
    assert [line["event"] for line in lines] == ["profile", "column", "finished"]
    assert lines[1]["top"] == [["x", 50], ["y", 50]]
    assert call("data", "profile", "points", "--column", "kid").code == 2
    assert 'did you mean "kind"?' in call("data", "profile", "points", "--column", "kid").err


def test_a_diff_ranks_what_changed(call: Call, data: Path) -> None:
    call("data", "add", "points", "data/*.csv")
    assert "only one version" in call("data", "diff", "points").err
    (data / "one.csv").rename(data / "uno.csv")
    write_points(data / "two.csv", range(1000, 1100))
    call("data", "add", "points", "data/*.csv")
    told = call("data", "diff", "points").out
    for part in ("points v1 → v2", "1 added, 1 renamed", "100 → 200", "data/one.csv → data/uno.csv", "+100"):
        assert part in told
    lines = call("data", "diff", "points", "v1", "2", "--json").lines
    assert [line["column"] for line in lines if line["event"] == "shift"] == ["a", "kind"]
    assert lines[-1]["files"] == {"added": 1, "renamed": 1}
    assert call("data", "diff", "points", "2", "2").out.endswith("no difference\n")


def test_damage_ends_with_1_and_is_listed(call: Call, shed: Shed) -> None:
    call("data", "add", "points", "data/*.csv")
    assert "points v1 is whole" in call("data", "verify", "points").out
    (digest,) = [
        line["blake3"] for line in call("data", "show", "points", "--files", "--json").lines if "blake3" in line
    ]
    kept = shed.objects.path(digest)
    kept.chmod(0o640)
    kept.write_bytes(b"x" + kept.read_bytes()[1:])
    broken = call("data", "verify", "points")
    assert broken.code == 1 and "1 of 1 file damaged" in broken.out and "data/one.csv" in broken.out
    lines = call("data", "verify", "points@v1", "--json").lines
    assert [line["event"] for line in lines] == ["damaged", "finished"]
    assert (lines[-1]["damaged"], lines[-1]["status"]) == (1, "failed")
    assert "add the file again" in call("data", "head", "points").err
    assert call("data", "head", "points").code == 3
    assert call("data", "add", "points", "data/*.csv", "--json").finished["new"] is False
    assert "points v1 is whole" in call("data", "verify", "points").out


def test_an_export_can_be_added_again_as_the_same_version(call: Call, data: Path, tmp_path: Path) -> None:
    call("data", "add", "points", "data/*.csv")
    assert call("data", "export", "points@v1", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "data" / "one.csv").read_bytes() == (data / "one.csv").read_bytes()
    assert call("data", "export", "points@v1", tmp_path / "out").code == 2
    os.chdir(tmp_path / "out")
    assert call("data", "add", "points", "data/*.csv", "--json").finished["new"] is False


def test_a_card_is_markdown(call: Call) -> None:
    call("data", "add", "points", "data/*.csv")
    told = call("data", "card", "points")
    assert told.out.startswith("# points v1\n") and "## Columns" in told.out
    first, last = call("data", "card", "points", "--json").lines
    assert (first["text"].startswith("# points v1"), last["dataset"]) == (True, "points v1")


def test_files_are_counted_by_class(call: Call, data: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(name.encode())
    call("data", "add", "pets", "data/*/*.png")
    classes = [line for line in call("data", "show", "pets", "--json").lines if line["event"] == "class"]
    assert [(each["name"], each["files"]) for each in classes] == [("cat", 2), ("dog", 1)]
    assert "data/cat/1.png" in call("data", "head", "pets").out
    assert "it has no rows" in call("data", "profile", "pets").err
    (data / "cat" / "3.png").write_bytes(b"3")
    call("data", "add", "pets", "data/*/*.png")
    (changed,) = [line for line in call("data", "diff", "pets", "--json").lines if line["event"] == "class"]
    assert (changed["name"], changed["before"], changed["after"]) == ("cat", 2, 3)


def test_two_processes_that_add_the_same_make_one_version(tmp_path: Path, data: Path, shed: Shed) -> None:
    for number in range(20):
        write_points(data / f"{number}.csv", range(number))
    command = [sys.executable, "-m", "app.cli", "--shed", str(shed.root), "data", "add", "points", "data/*.csv"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen(command, cwd=data.parent, env=environment, stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    told = sorted(process.communicate(timeout=120)[0].splitlines()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert told == ["points v1 has exactly this content: nothing new", "points v1 is a new version"]


class Terminal:
    """A stream that says it is a terminal and keeps what is written."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_long_work_has_a_bar_on_a_terminal_that_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock = iter([0.0, 0.1, 1.0, 1.05, 3.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    terminal = Terminal()
    with Working(Output(stdout=terminal, stderr=terminal)) as told:  # type: ignore[arg-type]
        for done in (1, 10, 20, 60):
            told("reading", done * 10**6, 100 * 10**6)
    frames = terminal.text.split("\r")
    assert (
        len(frames) == 4 and "10 %" in frames[1] and "60.0 MB of 100 MB" in frames[2]
    )  # neither too early nor too often
    assert "2.0 s left" in frames[2]
    assert frames[-1] == "\x1b[K"


def test_long_work_is_an_object_now_and_then_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.1, 1.5, 1.6])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with Working(Output(json_lines=True)) as told:
        for done in (1, 2, 3):
            told("looking into files", done, 3)
    assert capsys.readouterr().out == '{"event": "progress", "what": "looking into files", "done": 2, "total": 3}\n'
