"""What the queue writes down about a run, from its launch to its start."""

from __future__ import annotations

import pytest

from storage.errors import UsageError
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run
from storage.write import queue as write_queue
from storage.write import runs as write_runs
from storage.write.queue import Ask
from storage.write.runs import NewRun


def queued(shed: Shed, **ask: object) -> Run:
    new = NewRun(
        name="x", project="p", project_dir="/", identity="i", code="", spec={}, snapshot={}, params={}, kind="command"
    )
    return write_queue.enqueue(shed, new, Ask(**{"request": "r", **ask}))  # type: ignore[arg-type]


def entry(shed: Shed, run: Run) -> read_queue.Entry:
    found = read_queue.entry(shed, run.id or 0)
    assert found is not None
    return found


def test_a_queued_run_waits_behind_its_users_others(shed: Shed) -> None:
    first, second = queued(shed), queued(shed)
    assert [e.run.status for e in read_queue.waiting(shed)] == ["queued", "queued"]
    assert entry(shed, first).queued.position < entry(shed, second).queued.position


def test_a_run_starts_once_and_its_devices_count_until_it_ends(shed: Shed) -> None:
    run = queued(shed)
    assert write_queue.granted(shed, run.id or 0, {}, ["gpu0", "gpu1"], 0.5) is not None
    assert write_queue.granted(shed, run.id or 0, {}, ["gpu2"], 1.0) is None
    uses = read_queue.uses_since(shed, 0)
    assert [(use.device, use.share, use.ended_at) for use in uses] == [("gpu0", 0.5, None), ("gpu1", 0.5, None)]
    write_runs.finish(shed, run.id or 0, "done", 0)
    assert all(use.ended_at for use in read_queue.uses_since(shed, 0))


def test_a_retry_counts_an_attempt_and_gives_the_devices_back(shed: Shed) -> None:
    run = queued(shed, retries=2)
    write_queue.granted(shed, run.id or 0, {}, ["cpu0"], 1.0)
    write_queue.back_to_queue(shed, run.id or 0, "killed", spend_retry=True)
    again = entry(shed, run)
    assert (again.run.status, again.queued.retries) == ("queued", 1)
    assert all(use.ended_at for use in read_queue.uses_since(shed, 0))
    started = write_queue.granted(shed, run.id or 0, {}, ["cpu0"], 1.0)
    assert started is not None
    assert started.attempt == 2


def test_devices_kept_for_a_run_stay_kept_while_another_passes_for_a_moment(shed: Shed) -> None:
    run = queued(shed)
    assert run.id is not None
    write_queue.hold(shed, {run.id: "next in line"}, {run.id})
    since = entry(shed, run).queued.reserved_since
    assert since is not None
    write_queue.hold(shed, {run.id: "1 run before it"}, set())
    assert entry(shed, run).queued.reserved_since == since
    write_queue.granted(shed, run.id, {}, ["cpu0"], 1.0)
    write_queue.back_to_queue(shed, run.id, "killed", spend_retry=False)
    assert entry(shed, run).queued.reserved_since is None


def test_a_run_that_waits_is_called_off_and_one_at_work_is_not(shed: Shed) -> None:
    waits, works = queued(shed), queued(shed)
    write_queue.granted(shed, works.id or 0, {}, ["cpu0"], 1.0)
    assert write_queue.call_off(shed, waits.id or 0, "stopped by ana")
    assert not write_queue.call_off(shed, works.id or 0, "stopped by ana")
    assert read_runs.run(shed, waits.id or 0).ending == "stopped"


def test_a_run_at_work_is_not_asked_for_again(shed: Shed) -> None:
    run = queued(shed)
    with pytest.raises(UsageError, match="is queued"):
        write_queue.ask_again(shed, run.id or 0, "r2")


def test_a_queued_run_is_not_removed(shed: Shed) -> None:
    run = queued(shed)
    with pytest.raises(UsageError, match="is queued"):
        write_runs.remove(shed, run.id or 0)
    write_queue.call_off(shed, run.id or 0, "stopped")
    write_runs.remove(shed, run.id or 0)
    assert read_queue.entry(shed, run.id or 0) is None
