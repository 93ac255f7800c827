from __future__ import annotations

import pytest

from runners.actions import garbage
from storage.shed import Shed
from tests.app.conftest import Call


def test_a_young_shed_has_nothing_to_remove(call: Call, shed: Shed) -> None:
    shed.objects.put_bytes(b"loose")
    assert call("gc").out == "nothing to remove\n"
    assert call("gc", "--dry-run", "--json").finished == {
        "event": "finished", "status": "done", "exit_code": 0, "items": 0, "bytes": 0, "removed": False,
    }  # fmt: skip


def test_while_another_collects_it_says_so(call: Call, shed: Shed) -> None:
    with shed.lock("gc"):
        assert call("gc", "--yes").code == 2


def test_it_says_what_it_removes_and_what_that_frees(call: Call, shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "SETTLED_S", -60.0)  # as if the hour had passed
    digest = shed.objects.put_bytes(b"loose" * 1000)
    dry = call("gc", "--dry-run")
    assert "objects         1  5.0 kB" in dry.out and "would free 5.0 kB" in dry.out
    assert shed.objects.has(digest)
    lines = call("gc", "--yes", "--json").lines
    assert (lines[0]["kind"], lines[0]["bytes"]) == ("object", 5000)
    assert (lines[-1]["bytes"], lines[-1]["removed"]) == (5000, True)
    assert not shed.objects.has(digest)
