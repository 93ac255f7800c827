"""A study's journal outlives whatever happens to the process that writes it, and is nobody else's."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest

from runners.sweeps.journal import Journal
from storage.errors import RunFailed


def test_operations_are_there_for_the_next_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append_logs([{"a": 1}, {"b": 2}])
    journal.append_logs([{"c": 3}])
    assert journal.read_logs(1) == [{"b": 2}, {"c": 3}]
    journal.close()
    assert Journal(tmp_path / "j").read_logs(0) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_half_a_line_that_a_power_cut_left_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"a":1}\n{"b":')
    path.chmod(0o640)
    journal = Journal(path)
    journal.append_logs([{"c": 3}])
    assert path.read_bytes() == b'{"a":1}\n{"c":3}\n'


def test_a_disk_that_takes_no_more_leaves_the_journal_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append_logs([{"a": 1}])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(OSError):
            journal.append_logs([{"b": "x" * 100}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "j").read_bytes() == b'{"a":1}\n'
    journal.append_logs([{"c": 3}])
    assert journal.read_logs(0) == [{"a": 1}, {"c": 3}]


def test_a_journal_that_others_may_write_to_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.touch()
    path.chmod(0o660)
    with pytest.raises(RunFailed, match="others may write"):
        Journal(path)
    Journal(tmp_path / "own").close()
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o640


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "j").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        Journal(tmp_path / "j")
