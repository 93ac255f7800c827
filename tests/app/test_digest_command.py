"""`trainshed digest`: what moves the moment somebody was last here, and what does not."""

from __future__ import annotations

from storage.read import digest as read_digest
from storage.shed import Shed, current_user
from storage.write import triggers as write_triggers
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


def test_what_triggers_noticed_is_told(call: Call, shed: Shed) -> None:
    trigger, _ = write_triggers.register(
        shed, name="new-data", project="delays", project_dir="/p", kind="new-data", spec={}, request="r"
    )

    def notice(key: str, decision: str, why: str) -> int:
        firing = write_triggers.notice(shed, trigger.id or 0, key, decision=decision, why=why, evidence={})
        assert firing is not None and firing.id is not None
        return firing.id

    notice("0", "begin", "watches from v1 on")
    write_triggers.end(shed, notice("1", "retrain", "data/9.csv added"), "run 1 is done")
    write_triggers.end(shed, notice("2", "retrain", "data/10.csv added"), "run 2 was refused by the gate")
    notice("3", "stop", "data/11.csv is left out: its footer is broken")
    asks = notice("4", "wait", "data/12.csv added")
    write_triggers.ask_person(shed, asks)
    told = {line["kind"]: line for line in call("digest", "--json").lines if line["event"] == "digest"}
    assert told["waiting"]["text"] == "delays/new-data asks whether to retrain: data/12.csv added"
    assert told["waiting"]["todo"] == f"trainshed triggers approve {asks}"
    assert told["left out"]["text"] == "delays/new-data: data/11.csv is left out: its footer is broken"
    assert told["trigger"]["text"] == (
        "delays/new-data fired 2 times, last: data/10.csv added → run 2 was refused by the gate"
    )


def test_the_agent_says_what_is_watched(call: Call, shed: Shed) -> None:
    assert call("agent", "status", "--json").finished["watched"] == []
    spec = {"cron": "0 6 * * *"}
    write_triggers.register(
        shed, name="nightly", project="delays", project_dir="/p", kind="schedule", spec=spec, request="r"
    )
    found = call("agent", "status")
    assert "nothing now; 1 trigger should be" in found.out and "delays/nightly: 0 6 * * *" in found.out


def test_a_trigger_of_a_newer_version_is_listed_with_what_to_do(call: Call, shed: Shed) -> None:
    for name, spec in (("lunar", {"on": "drift", "rhythm": "lunar"}), ("drift", {"on": "drift"})):
        write_triggers.register(
            shed, name=name, project="delays", project_dir="/p", kind="drift", spec=spec, request="r"
        )
    readable, newer = call("triggers", "list", "--json").lines[:2]
    assert readable["name"] == "drift" and readable["fault"] == ""
    assert newer["fault"].startswith('this version cannot read it: unknown key "rhythm"; update trainshed, or')
    assert call("triggers", "list").code == 0 and call("agent", "status").code == 0
    refused = call("triggers", "test", "lunar")
    assert refused.code == 2 and "trigger 1: this version cannot read it" in refused.err


def test_a_wrong_moment_is_a_usage_error(call: Call, shed: Shed) -> None:
    assert call("digest", "--since", "yesterday").code == 2
