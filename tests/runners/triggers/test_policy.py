"""Whether another run may begin: one at a time, cooldown, most a day, the breaker."""

from __future__ import annotations

from runners.triggers.policy import verdict
from storage.trigger_section import TriggerSection

NOW = 1_000_000.0


def spec(**options: object) -> TriggerSection:
    return TriggerSection.model_validate({"on": "new-data", **options})


def test_the_first_run_may_begin() -> None:
    assert verdict(spec(), [], NOW).allowed


def test_one_run_at_a_time() -> None:
    found = verdict(spec(), [(NOW - 9000, "running")], NOW)
    assert not found.allowed and "still at work" in found.why


def test_a_cooldown_says_when_it_is_over() -> None:
    found = verdict(spec(cooldown_minutes=10), [(NOW - 60, "done")], NOW)
    assert (found.allowed, found.until) == (False, NOW + 540)
    assert verdict(spec(cooldown_minutes=10), [(NOW - 601, "done")], NOW).allowed


def test_so_many_a_day_and_no_more() -> None:
    begun = [(NOW - 80_000 + 8000 * i, "done") for i in range(3)]
    found = verdict(spec(most_a_day=3), begun, NOW)
    assert (found.allowed, found.until) == (False, NOW - 80_000 + 86_400)
    assert verdict(spec(most_a_day=4), begun, NOW).allowed


def test_a_trigger_that_feeds_itself_breaks() -> None:
    begun = [(NOW - 300 + 60 * i, "done") for i in range(5)]
    assert verdict(spec(most_in_a_row=5), begun, NOW).breaks
    assert verdict(spec(most_in_a_row=6), begun, NOW).allowed
    apart = [(NOW - 20_000 + 4000 * i, "done") for i in range(5)]
    assert verdict(spec(most_in_a_row=2), apart, NOW).allowed


def test_runs_begun_by_a_clock_that_was_put_back_hold_nothing_up() -> None:
    assert verdict(spec(cooldown_minutes=10, most_a_day=1), [(NOW + 86_400, "done")], NOW).allowed
