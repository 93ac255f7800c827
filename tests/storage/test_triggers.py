"""What triggers notice, as rows."""

from __future__ import annotations

from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.write import triggers as write_triggers


def watching(shed: Shed) -> int:
    trigger, _ = write_triggers.register(
        shed, name="new-data", project="p", project_dir="/p", kind="new-data", spec={}, request="r"
    )
    assert trigger.id is not None
    return trigger.id


def test_a_paused_trigger_notices_nothing_however_late_its_watcher_hears_of_it(shed: Shed) -> None:
    trigger = watching(shed)
    write_triggers.pause(shed, trigger, "paused by ana")
    assert write_triggers.notice(shed, trigger, "v2", decision="retrain", why="new", evidence={}) is None
    assert not read_triggers.history(shed)
    write_triggers.resume(shed, trigger)
    assert write_triggers.notice(shed, trigger, "v2", decision="retrain", why="new", evidence={}) is not None


def test_what_a_person_does_by_hand_counts_although_it_is_paused(shed: Shed) -> None:
    trigger = watching(shed)
    write_triggers.pause(shed, trigger, "paused by ana")
    assert write_triggers.notice(shed, trigger, "by hand", decision="retrain", why="", evidence={}, by_hand=True)
