"""The app in a real terminal: what it sends there, byte by byte, and how it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import pytest

from runners.actions import datasets
from storage.shed import Shed
from tests.rivals import LATE, ROWS, hold_out, rival
from tests.scenes import dataset_version_of, run_of
from tests.screens.serving_scene import answered, endpoint_of
from tests.screens.test_launching import TOML
from tests.served import RECORD
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


@pytest.mark.parametrize("typed", ["", "12345678" * 12])
def test_a_line_that_breaks_ends_it_whatever_is_being_drawn(opened: Terminal, typed: str) -> None:
    opened.type(typed)
    opened.hang_up()
    assert opened.ended() in (128 + signal.SIGHUP, -signal.SIGHUP)


def test_keys_that_come_faster_than_screens_do_no_harm(opened: Terminal) -> None:
    for keys in ("123456783\r\r\x1b", ":1\r\r\r12", "?4/\x1b\x1b\x1b:2\r\r", "\r\r3\r\x1b\x1b83"):
        opened.type(keys)
        opened.read()
    opened.type("\x1b\x1b3")
    opened.until("first", "status")
    opened.type("q")
    assert opened.ended() == 0


def test_a_database_that_breaks_is_told_and_the_app_goes_on(shed: Shed, opened: Terminal) -> None:
    kept = shed.db.read_bytes()
    shed.db.write_bytes(b"no database any more" * 400)
    opened.type("3")
    opened.until("shed.db", "put it back from a backup", "updated ", "s ago")
    shed.db.write_bytes(kept)
    opened.until_true(lambda: "updated" not in opened.lines[0])
    opened.type("q")
    assert opened.ended() == 0


def test_a_shed_that_is_moved_away_is_told_and_the_app_goes_on_when_it_is_back(
    shed: Shed, opened: Terminal, tmp_path: Path
) -> None:
    opened.type("3")
    opened.until("first", "status")
    shed.root.rename(tmp_path / "elsewhere")
    opened.until("the shed is gone", "bring it back to this place", "updated ", "s ago")
    (tmp_path / "elsewhere").rename(shed.root)
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
    assert obeyed(opened) == []


def test_hostile_columns_reach_the_terminal_as_text(shed: Shed, tmp_path: Path) -> None:
    """In Data, rows, profile, diff, completion, flips, Serving, a prediction, the monitor and the launch form."""
    table_of_hostile_columns(shed, tmp_path)
    folder, version = endpoint_of(shed)
    answered(folder, version, {NASTY: NASTY, **RECORD})
    run = run_of(shed, "delays", spec={"gate": {"slices": [NASTY], "min_slice_rows": 1}})
    hold_out(shed, run, {**ROWS, quoted(NASTY): ROWS["airport"]}, LATE)
    rival(shed, run, bias=-0.9)
    (tmp_path / "trainshed.toml").write_text(f"{TOML}{json.dumps(NASTY)} = 1\n")
    keys = (
        ("2", "\\x1b]52"),
        ("\r", "60 rows ─"),
        ("\x1b[C\x1b[C", ", sort"),
        ("p", "distinct"),
        ("\r", "esc closes"),
        ("\x1b", ", sort"),
        ("s", "sql: select"),
        ("select [", "select ["),
        ("\x1b", ", sort"),
        ("\x1b", "newest"),
        ("\r", "60 rows ─"),
        ("c", "values"),
        ("d", "1 file added"),
        ("D", "card of hostile"),
        ("\x1b", "1 file added"),
        ("\x1b", "newest"),
        ("5", "delays"),
        ("f", "test rows flip"),
        ("\r", "esc closes"),
        ("\x1b", "test rows flip"),
        ("\x1b", "made by"),
        ("6", "latest predictions"),
        ("\t", "││▸"),
        ("\r", "said"),
        ("\x1b", "latest predictions"),
        ("m", "delays · monitor"),
        ("\x1b", "latest predictions"),
        ("3", "by id"),
        ("n", "esc leaves"),
        ("\x1b", "by id"),
    )
    command = [*TRAINSHED, "--shed", str(shed.root), "-p", str(tmp_path)]
    with terminal(command, cwd=tmp_path, size=(120, 40)) as opened:
        opened.until("1 Home", "cpu")
        for typed, seen in keys:
            before = opened.text
            opened.type(typed)
            opened.until_true(partial(changed, opened, before, seen))
            if typed == "\x1b":  # what follows at once would be a key with alt
                opened.until_true(lambda: not any(dialog in opened.text for dialog in ("esc closes", "esc leaves")))
                opened.quiet(0.2)
        opened.type("q")
        assert opened.ended() == 0
    assert obeyed(opened) == []


def table_of_hostile_columns(shed: Shed, folder: Path) -> None:
    """Two versions of a table whose columns are named so as to do harm."""
    names = [NASTY, "[/", "[@click=app.quit]", "two\nlines", "\u2066isolated"]
    values = ", ".join(f"'v' || i % 3 || chr(27) || '[2J' as {quoted(name)}" for name in names)
    for version in (1, 2):
        duckdb.execute(f"copy (select {values} from range({20 * version}) t(i)) to '{folder}/hostile{version}.parquet'")
        datasets.add(shed, "hostile", {"data": ["hostile*.parquet"]}, folder)


def changed(opened: Terminal, before: str, seen: str) -> bool:
    return opened.text != before and seen in opened.text


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def obeyed(terminal: Terminal) -> list[str]:
    """What a terminal would obey of all that was sent, other than what the app itself needs."""
    told = OURS.sub(b"", terminal.sent).decode()
    return re.findall(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069].{0,20}", told)
