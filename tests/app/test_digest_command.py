"""`trainshed digest`: what moves the moment somebody was last here, and what does not."""

from __future__ import annotations

from storage.read import digest as read_digest
from storage.shed import Shed, current_user
from tests.app.conftest import Call
from tests.app.test_runs_command import EVIL, on_a_terminal
from tests.scenes import run_of


def test_only_a_person_on_a_terminal_has_looked(call: Call, shed: Shed) -> None:
    run_of(shed, status="failed", reason="out of memory")
    for args in ((), ("--json",), ("--since", "2d")):
        assert call("digest", *args).code == 0
        assert read_digest.seen_at(shed, current_user()) is None
    on_a_terminal(shed, "digest", "--since", "2d")
    assert read_digest.seen_at(shed, current_user()) is None
    code, told = on_a_terminal(shed, "digest", NO_COLOR="1")
    assert code == 0 and "the last day" in told and "run 1 flight-delay failed: out of memory" in told
    assert "trainshed runs show 1" in told
    assert read_digest.seen_at(shed, current_user()) is not None
    told = on_a_terminal(shed, "digest", NO_COLOR="1")[1]
    assert "since just now" in told and "failed" not in told


def test_it_is_ten_lines_at_most_and_programs_get_all(call: Call, shed: Shed) -> None:
    for status in ("failed",) * 6 + ("refused",) * 5 + ("stopped", "done", "done"):
        run_of(shed, EVIL, status=status, reason=EVIL + "\n" + EVIL)
    code, told = on_a_terminal(shed, "digest", "--since", "1d", COLUMNS="60", NO_COLOR="1")
    lines = told.rstrip("\n").split("\n")
    assert code == 0 and len(lines) <= 10 and max(map(len, lines)) <= 60
    assert "\x1b" not in told and "more with --json" in lines[0]
    found = call("digest", "--json")
    every = [line for line in found.lines if line["event"] == "digest"]
    assert found.finished["lines"] == len(every) > 10 - 1
    assert found.finished["since"].endswith("Z")
    assert {line["kind"] for line in every} == {"failed", "refused", "stopped", "done", "queue"}


def test_a_wrong_moment_is_a_usage_error(call: Call, shed: Shed) -> None:
    assert call("digest", "--since", "yesterday").code == 2
