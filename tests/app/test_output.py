from __future__ import annotations

import io
import json
import os
import time
from typing import Any

import pytest

from app.output import At, Output, Styled, Table, json_line, rendered
from screens.figures import ago, duration, iso, number, size
from screens.inert import inert, inert_lines
from storage.errors import DataInvalid


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "\x1b]0;title\x07", "a\rb", "a\nb", "\x9b31m", "\u202egnp", "\u2028", "\x7f", "\ud800"]
)
def test_what_a_terminal_would_obey_is_written_out(text: str) -> None:
    shown = inert(text)
    assert all(c.isprintable() for c in shown)
    assert "\\" in shown


def test_ordinary_text_in_any_script_stays_as_it_is() -> None:
    for text in ("flights v3", "Zürich – 東京", "👩‍🔬 [bold]not markup[/bold]"):
        assert inert(text) == text


def test_lines_stay_lines() -> None:
    assert inert_lines("one\r\n\ttwo\x1b[2J") == "one\n    two\\x1b[2J"


def test_json_is_strict_whatever_is_in_it() -> None:
    facts: dict[Any, Any] = {"a": float("nan"), "b": [float("inf"), -float("inf")], 3: At(0.0), "c": "\x1b\u2028é"}
    line = json_line(facts)
    assert json.loads(line) == {
        "a": "NaN", "b": ["Infinity", "-Infinity"], "3": "1970-01-01T00:00:00.000Z", "c": "\x1b\u2028é",
    }  # fmt: skip
    assert line.isascii() and "\x1b" not in line


def test_a_table_in_a_pipe_is_tab_separated_and_exact() -> None:
    stdout = io.StringIO()
    Output(stdout=stdout).table(Table(["run", "rows", "at"], [["a\tb", 219910, At(0.0)], ["c", None, At(None)]]))
    assert stdout.getvalue() == "run\trows\tat\na\\tb\t219910\t1970-01-01T00:00:00.000Z\nc\t\t\n"


def test_an_aligned_table_has_its_numbers_on_the_right() -> None:
    stdout = io.StringIO()
    Output(stdout=stdout).table(
        Table(["metric", "value"], [["auroc", 0.7213], ["rows", 219910]], title="Test"), aligned=True
    )
    assert stdout.getvalue() == "Test\nmetric    value\nauroc    0.7213\nrows    219,910\n"


def test_a_table_on_a_terminal_shows_markup_as_text_and_obeys_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(
        ["name", "when"], [["[red]x[/red] \x1b[31m", At(time.time() - 250)], [Styled("best", "green"), At(None)]]
    )
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = rendered(table, Terminal())
    assert "[red]x[/red] \\x1b[31m" in coloured and "4 min ago" in coloured and "\x1b[32mbest" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in rendered(table, Terminal())


def test_a_narrow_column_stays_beside_a_long_text_which_is_wrapped_in_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    table = Table(["", "rule", "found"], [["✓", "beat_production_by", "word " * 20 + "end"]])
    assert "✓  beat_production_by  word" in rendered(table, Terminal(), wrap=True)
    assert "end" in rendered(table, Terminal(), wrap=True)
    cut = rendered(table, Terminal())
    assert "✓  beat_production_by  word" in cut and "…" in cut and len(cut.splitlines()) == 2


def test_an_error_tells_what_where_and_what_next(capsys: pytest.CaptureFixture[str]) -> None:
    stderr, stdout = io.StringIO(), io.StringIO()
    out = Output(json_lines=True, stdout=stdout, stderr=stderr)
    out.error(DataInvalid("bad\x1b[2J", place="a.csv", expected="good", todo="mend it"))
    out.finished(3)
    assert stderr.getvalue() == "error: a.csv: bad\\x1b[2J\n  expected: good\n  next: mend it\n"
    last = json.loads(stdout.getvalue())
    assert last == {
        "event": "finished", "status": "invalid", "exit_code": 3,
        "message": "bad\x1b[2J", "place": "a.csv", "expected": "good", "todo": "mend it",
    }  # fmt: skip


def test_a_reader_that_goes_away_ends_the_talking_only() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        out = Output(stdout=stdout)
        out.say("nobody hears this")
        assert out.gone
        out.say("nor this")


def test_figures_are_short_and_comparable() -> None:
    assert [number(v) for v in (219910, 0.72134, 0.001, 1e-5, 3.0, 1234.56, float("nan"), True)] == [
        "219,910", "0.7213", "0.001", "1e-05", "3", "1,234.6", "NaN", "yes",
    ]  # fmt: skip
    assert [size(v) for v in (0, 999, 1000, 5_200_000, 999_000_000_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "5.2 MB",
        "999 TB",
    ]
    assert [duration(v) for v in (0.0854, 4.21, 200, 7500)] == ["85 ms", "4.2 s", "3 min 20 s", "2 h 5 min"]
    assert [ago(1000 - s, 1000) for s in (-3, 2, 59, 250, 7200, 90000)] == [
        "just now", "just now", "59 s ago", "4 min ago", "2 h ago", "1 d ago",
    ]  # fmt: skip
    assert iso(0.5) == "1970-01-01T00:00:00.500Z"
