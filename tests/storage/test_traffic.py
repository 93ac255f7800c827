"""The counters of an endpoint, minute by minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import traffic


def test_samples_are_read_from_a_moment_on_with_the_last_one_before(tmp_path: Path) -> None:
    for minute in range(5):
        traffic.note(tmp_path, 60.0 * minute, {"answered": 10 * minute, "swaps": 3})
    found = traffic.read(tmp_path, 130.0)
    assert [sample.at for sample in found] == [120.0, 180.0, 240.0]
    assert found[1].since(found[0])["answered"] == 10 and "swaps" not in found[0].counters


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    assert traffic.read(tmp_path, 0.0) == []
    traffic.note(tmp_path, 1.0, {"failed": 1})
    with (tmp_path / traffic.FILE).open("a") as file:
        file.write('{"at": 2.0, "answ')
    assert [sample.counters["failed"] for sample in traffic.read(tmp_path, 0.0)] == [1]


def test_what_has_grown_long_loses_its_older_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_BYTES", 2000)
    for minute in range(100):
        traffic.note(tmp_path, float(minute), {"answered": minute})
    found = traffic.read(tmp_path, 0.0)
    assert found[-1].at == 99.0 and (tmp_path / traffic.FILE).stat().st_size <= 2100
    assert [sample.at for sample in found] == [float(100 - len(found) + place) for place in range(len(found))]
