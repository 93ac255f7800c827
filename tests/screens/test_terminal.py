"""The app in a real terminal: what it sends there, byte by byte, and how it leaves."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.shed import Shed
from tests.scenes import dataset_version_of, run_of
from tests.terminal import TRAINSHED, Terminal, terminal

NASTY = "\x1b]52;c;ZWNobyBvd25lZA==\x07[/][@click=app.quit]x[/]\x1b[2J\u202eevil\x9b31m"
QUIET_S = 4.0  # longer than it takes to look at the machine again
OURS = re.compile(
    rb"\x1b\[[0-9;]*m"  # colours
    rb"|\x1b\[\d+;\d+H"  # places
    rb"|\x1b\[\?(?:1049|1000|1003|1015|1006|1016|25|1004|2026|2048|2004|7)[hl]|\x1b\[\?20(?:26|48)\$p"  # modes
    rb"|\x1b\[[<>=]\d*u|\x1b\]22;[a-z]*(?:\x1b\\|\x07)"  # keys, the mouse's pointer
)


@pytest.fixture
def opened(shed: Shed, tmp_path: Path) -> Iterator[Terminal]:
    run_of(shed, "first")
    with terminal([*TRAINSHED, "--shed", str(shed.root)], cwd=tmp_path) as found:
        found.until("first", "cpu")
        yield found


def restored(terminal: Terminal) -> bool:
    """Whether the normal screen, its cursor and its mouse were given back."""
    return terminal.sent.rfind(b"\x1b[?1049l") > 0 and b"\x1b[?25h" in terminal.sent and b"\x1b[?1003l" in terminal.sent


def test_a_quiet_screen_sends_next_to_nothing(opened: Terminal) -> None:
    opened.quiet(1.0)
    assert len(opened.quiet(QUIET_S)) < 100 * QUIET_S  # "5 s ago" and the load of this machine may change meanwhile
    opened.type("q")
    assert opened.ended() == 0
    assert restored(opened)


def test_a_resize_in_mid_frame_leaves_a_whole_screen(opened: Terminal) -> None:
    for width, height in ((120, 40), (40, 10), (81, 25), (80, 24)):
        opened.resize(width, height)
    opened.until_true(
        lambda: opened.lines[0].startswith(" trainshed") and opened.lines[-1].rstrip().endswith("? help   q quit")
    )
    assert opened.lines[1].startswith(" 1 Home") and opened.text.count("╭") == opened.text.count("╮")


def test_a_terminated_app_restores_the_terminal(opened: Terminal) -> None:
    os.kill(opened.pid, signal.SIGTERM)
    assert opened.ended() == 128 + signal.SIGTERM
    assert restored(opened)


def test_a_line_that_breaks_ends_it(opened: Terminal) -> None:
    opened.hang_up()
    assert opened.ended() in (128 + signal.SIGHUP, -signal.SIGHUP)


def test_a_database_that_breaks_is_told_and_the_app_goes_on(shed: Shed, opened: Terminal) -> None:
    kept = shed.db.read_bytes()
    shed.db.write_bytes(b"no database any more" * 400)
    opened.type("3")
    opened.until("shed.db", "put it back from a backup", "updated ", "s ago")
    shed.db.write_bytes(kept)
    opened.until_true(lambda: "updated" not in opened.lines[0])
    opened.type("q")
    assert opened.ended() == 0


def test_hostile_names_and_logs_reach_the_terminal_as_text(shed: Shed, tmp_path: Path) -> None:
    run_of(shed, NASTY, log=f"{NASTY}\n\x1b[31mred\x1b[0m\x1b]0;title\x07\n".encode(), params={NASTY: NASTY})
    dataset_version_of(shed, "files", {f"{NASTY.replace('/', '')}/a.csv": b"x"})
    with terminal([*TRAINSHED, "--shed", str(shed.root)], cwd=tmp_path, size=(120, 40)) as opened:
        opened.until("1 Home", "\\x1b]52")
        for keys, seen in (
            ("3", "status"),
            ("\r", "artifacts"),
            ("l", "red"),
            ("p", "params"),
            ("2", "newest"),
            ("\r", "class and file"),
        ):
            opened.type(keys)
            opened.until(seen)
        opened.type("q")
        assert opened.ended() == 0
    told = OURS.sub(b"", opened.sent).decode()
    assert re.findall(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069].{0,20}", told) == []
