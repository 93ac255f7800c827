"""The queue's keys, in Runs and on a run's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.actions import queueing
from screens.dialogs import Agreeing
from screens.queueing import refusal
from screens.run import RunPage
from screens.runs import Runs
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.write import imported
from storage.write.imported import Imported
from tests.scenes import run_of
from tests.screens.driving import Driven, driving

ELSEWHERE = Imported("mlflow:a", "old", "p", "ana", "mlflow", "failed", 1e9, 1e9, 1e9 + 1)


def waiting(shed: Shed, name: str) -> int:
    """Queue a command; returns the run's number."""
    return queueing.execute(shed, ["true"], cwd=Path("/"), name=name).run.id or 0


def order(shed: Shed) -> list[int]:
    entries = sorted(read_queue.waiting(shed), key=lambda entry: (-entry.queued.priority, entry.queued.position))
    return [entry.queued.run_id for entry in entries]


async def in_runs(driven: Driven) -> None:
    await driven.press("3")


async def test_a_run_that_waits_says_since_and_for_what(busy: Shed) -> None:
    waiting(busy, "later")
    async with driving(busy, size=(120, 30)) as driven:
        await in_runs(driven)
        await driven.sees("later", "queued", "cpu0")
        await driven.press("enter")
        await driven.sees("◌ queued", "cpu0")


async def test_stopping_asks_first(busy: Shed) -> None:
    run_id = waiting(busy, "unwanted")
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("x")
        assert isinstance(driven.app.screen, Agreeing)
        await driven.sees(f"stop run {run_id}", "It waits no longer then")
        await driven.press("escape")
        assert read_runs.run(busy, run_id).status == "queued"
        await driven.press("x", "y")
        await driven.until(lambda: read_runs.run(busy, run_id).status == "stopped")
        await driven.sees(f"run {run_id} waits no more")


async def test_a_run_is_reproduced_after_a_second_key_if_there_is_something_to_compare(busy: Shed) -> None:
    run_of(busy, "old")
    waiting(busy, "command")
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("A")
        await driven.sees("Run 2 is a command")
        await driven.press("j", "A")
        await driven.sees("reproduce run 1", "promotes nothing")
        await driven.press("y")
        await driven.sees("Run 1 is a command")  # it has no dataset: nothing is started
    assert read_runs.count(busy) == 2


async def test_all_marked_runs_are_stopped_and_those_that_have_ended_are_passed_over(busy: Shed) -> None:
    ids = [waiting(busy, name) for name in ("one", "two")]
    run_of(busy, "old")
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("space", "space", "space", "x")
        await driven.sees("stop 2 runs")
        await driven.press("y")
        await driven.until(lambda: all(read_runs.run(busy, each).status == "stopped" for each in ids))


async def test_a_stopped_run_goes_on_and_says_so(busy: Shed) -> None:
    run_id = waiting(busy, "again")
    queueing.stop(busy, [run_id])
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("enter", "r")
        await driven.sees(f"run {run_id} waits for its turn")
        await driven.until(lambda: read_runs.run(busy, run_id).status == "queued")


async def test_starting_over_makes_a_new_run(busy: Shed) -> None:
    run_id = waiting(busy, "again")
    queueing.stop(busy, [run_id])
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("R")
        await driven.sees(f"run {run_id + 1} waits for its turn")
        assert order(busy) == [run_id + 1]


async def test_runs_change_places_and_get_another_priority(busy: Shed) -> None:
    one, two, three = (waiting(busy, name) for name in ("one", "two", "three"))
    async with driving(busy) as driven:
        await in_runs(driven)
        await driven.press("K")
        await driven.until(lambda: order(busy) == [three, one, two])
        await driven.press("J")
        await driven.until(lambda: order(busy) == [one, two, three])
        await driven.press("j")
        await driven.pilot.press("P")
        await driven.sees(f"priority of run {two}")
        await driven.type("5")
        await driven.press("enter")
        await driven.until(lambda: order(busy) == [two, one, three])
        await driven.sees(f"run {two}: priority 5")


@pytest.mark.parametrize(
    ("status", "key", "why"),
    [
        ("done", "x", "there is nothing to stop"),
        ("done", "r", "only one that failed or was stopped goes on"),
        ("running", "R", "is running."),
        ("failed", "K", "only one that waits has"),
    ],
)
async def test_what_cannot_be_done_says_why_in_the_list_and_on_the_page(
    shed: Shed, status: str, key: str, why: str
) -> None:
    run_of(shed, "x", status=status)
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press(key)
        await driven.sees(why)
        assert isinstance(driven.app.screen, Runs)
        await driven.press("enter", key)
        await driven.sees(why)
        assert isinstance(driven.app.screen, RunPage)


async def test_without_runs_there_is_nothing_to_do(shed: Shed) -> None:
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("x")
        await driven.sees("There is no run here.")


async def test_the_footer_the_help_and_the_palette_know_the_keys(shed: Shed) -> None:
    run_of(shed, "x", status="failed")
    async with driving(shed, size=(120, 40)) as driven:
        await in_runs(driven)
        assert "r resume" in driven.lines[-1] and "x stop" not in driven.lines[-1]
        await driven.pilot.press("question_mark")
        await driven.sees("with runs", "Queue a new run of exactly what this one froze.")
        await driven.press("escape")
        await driven.pilot.press("ctrl+p")
        await driven.type("start over")
        await driven.sees("Queue a new run of exactly what this one froze.")


async def test_marked_runs_are_tagged_and_removed_together(shed: Shed) -> None:
    for name in ("one", "two"):
        run_of(shed, name)
    run_of(shed, "three", status="running")
    async with driving(shed, size=(120, 30)) as driven:
        await in_runs(driven)
        await driven.press("j", "space", "space")
        await driven.pilot.press("T")
        await driven.type("old")
        await driven.press("enter")
        await driven.until(lambda: [read_runs.row(shed, run_id).tags for run_id in (1, 2)] == [["old"]] * 2)
        await driven.sees("tags", "old")
        await driven.press("X")
        await driven.sees("remove 2 runs")
        await driven.press("y")
        await driven.until(lambda: read_runs.count(shed) == 1)
        await driven.settled()
        await driven.press("X")
        await driven.sees("Run 3 is running: x stops it first.")
        assert driven.app.marked == []


async def test_any_command_is_queued_from_runs(busy: Shed, tmp_path: Path) -> None:
    async with driving(busy, size=(120, 30), folder=tmp_path) as driven:
        await in_runs(driven)
        await driven.pilot.press("exclamation_mark")
        await driven.sees("queue a command")
        await driven.type("gpus=0 true")
        await driven.press("enter")
        await driven.sees("run 1 waits for its turn")
        run = read_runs.run(busy, 1)
        assert (run.kind, run.name, run.project_dir) == ("command", "true", str(tmp_path))


async def test_marked_runs_are_written_as_tables(shed: Shed, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        run_of(shed, name)
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("space", "space", "E")
        await driven.sees("export 2 runs into")
        await driven.type(str(tmp_path / "out"))
        await driven.press("enter")
        await driven.until(lambda: (tmp_path / "out" / "runs.parquet").exists())
        await driven.sees("2 runs: 0 points in")


@pytest.mark.parametrize("verb", ["resume", "requeue", "relaunch", "reproduce"])
def test_nothing_begins_with_the_code_of_an_imported_run(shed: Shed, verb: str) -> None:
    run = read_runs.run(shed, imported.add(shed, ELSEWHERE) or 0)
    assert refusal(verb, run) == f"Run {run.id} was imported: the code that it ran is not here."
    assert refusal("remove", run) == ""


async def test_an_imported_run_that_failed_offers_nothing_that_its_code_is_needed_for(shed: Shed) -> None:
    imported.add(shed, ELSEWHERE)
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("enter")
        await driven.sees("It failed", "its code is not here to go on with")
        assert "resume it" not in driven.text
        await driven.press("d")
        await driven.sees("was imported: the code that it ran is not here.")
