"""A log by line, whatever its length."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.actions import logbook
from runners.actions.logbook import Logbook
from runners.supervision.logs import BoundedLog
from storage.shed import Shed, open_shed
from tests.scenes import run_of


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory) -> Shed:
    return open_shed(tmp_path_factory.mktemp("logbook") / "shed")


def written(shed: Shed, data: bytes) -> tuple[Logbook, Path]:
    run = run_of(shed, "x")
    path = shed.run_dir(run.id or 0) / "log"
    path.write_bytes(data)
    return logbook.of_run(shed, run.id or 0), path


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab €", max_size=5), max_size=200), st.integers(0, 210), st.integers(1, 100), st.booleans())
def test_lines_are_read_as_they_stand(shed: Shed, lines: list[str], first: int, count: int, ended: bool) -> None:
    text = "\n".join(lines) + ("\n" if ended and lines else "")
    book, _ = written(shed, text.encode())
    expected = text.split("\n")[:-1] if text.endswith("\n") or not text else text.split("\n")
    assert book.look() == len(expected)
    assert book.read(first, count) == expected[first : first + count]


def test_what_is_written_later_is_there_after_the_next_look(shed: Shed) -> None:
    book, path = written(shed, b"one\ntw")
    assert book.look() == 2
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert book.look() == 3
    assert book.read(0, 10) == ["one", "two", "three"]


def test_a_word_is_found_onwards_and_backwards(shed: Shed) -> None:
    book, _ = written(shed, b"".join(b"line %d\n" % i for i in range(1000)))
    book.look()
    assert book.find("LINE 77", 0) == 77
    assert book.find("line 77", 78) == 770
    assert book.find("line 77", 769, forward=False) == 77
    assert book.find("nowhere", 0) is None


def test_a_log_whose_middle_was_taken_out_reads_on_behind_it(shed: Shed) -> None:
    book, path = written(shed, b"".join(b"line %06d\n" % i for i in range(20_000)))
    assert book.look() == 20_000
    BoundedLog(path, 32_768).trim()
    count = book.look()
    lines = book.read(0, count)
    assert count < 5000 and lines[0] == "line 000000" and lines[-1] == "line 019999"
    assert any("left out here" in line for line in lines)


def test_nothing_in_a_line_is_obeyed(shed: Shed) -> None:
    book, _ = written(shed, b"\x1b[31mred\x1b[0m \x1b]52;c;aGk=\x07 50%\r100%\n")
    book.look()
    assert book.read(0, 1) == ["100%"]


def test_without_a_log_there_is_nothing(shed: Shed) -> None:
    book = logbook.of_run(shed, 999_999)
    assert book.look() == 0 and book.read(0, 5) == [] and book.find("x", 0) is None
