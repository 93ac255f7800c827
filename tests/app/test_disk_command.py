"""`trainshed disk`: what the shed holds, the largest first, for a person and for a program."""

from __future__ import annotations

from storage.shed import Shed
from tests.app.conftest import Call
from tests.scenes import run_of


def test_the_largest_stand_first_and_the_rest_is_counted(call: Call, shed: Shed) -> None:
    run_of(shed, "small", log=b"x" * 1000)
    run_of(shed, "large", log=b"x" * 5_000_000)
    said = call("disk", "--limit", "1")
    assert said.code == 0
    assert "large" in said.out and "5.0 MB" in said.out and "small" not in said.out
    assert "nothing for gc to free" in said.out and "more" in said.err


def test_a_program_is_told_every_part_and_the_sum(call: Call, shed: Shed) -> None:
    run_of(shed, "small", log=b"x" * 1000)
    *parts, finished = call("disk", "--json").lines
    run = next(part for part in parts if part["kind"] == "run")
    assert (run["name"], run["about"], run["bytes"], run["gc_frees"]) == ("1", "small", 1000, 0)
    assert finished["bytes"] == sum(part["bytes"] for part in parts) and finished["free"] > 0
