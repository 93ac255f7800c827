"""How long, how much is left, and when: what the estimates promise."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.estimates import PastRun, PlannedRun, Spread, duration, remaining, starts
from runners.queue import Holding, Limits, Slot, Waiting
from tests.played_queue import GB

LIMITS = Limits()
GPU = [Slot("gpu0", 80 * GB, 80 * GB)]


def past(seconds: float, *, epochs: float = 10, status: str = "done", **more: float | str) -> PastRun:
    return PastRun("flights", "pipeline", 1, {"epochs": epochs, **more}, seconds, status)


def planned(*, project: str = "flights", kind: str = "pipeline", epochs: float = 10, **more: float | str) -> PlannedRun:
    return PlannedRun(project, kind, 1, {"epochs": epochs, **more})


def known(spread: Spread | None) -> Spread:
    assert spread is not None
    return spread


def breadth(spread: Spread | None) -> float:
    return known(spread).high / known(spread).low


class TestDuration:
    def test_nothing_is_said_without_a_run_of_the_project_and_kind(self) -> None:
        assert duration([], planned()) is None
        assert duration([past(60)], planned(project="images")) is None
        assert duration([past(60)], planned(kind="command")) is None

    def test_one_run_gives_a_wide_range_around_it_and_many_a_narrow_one(self) -> None:
        one, many = duration([past(60)], planned()), duration([past(60 + i % 5) for i in range(30)], planned())
        assert known(one).likely == pytest.approx(60)
        assert known(many).likely == pytest.approx(62, rel=0.02)
        assert breadth(one) > 3 > 2 > breadth(many)

    def test_more_epochs_take_longer_in_proportion_and_are_less_sure(self) -> None:
        runs = [past(60 + i % 5) for i in range(30)]
        longer = duration(runs, planned(epochs=40))
        assert known(longer).likely == pytest.approx(4 * 62, rel=0.05)
        assert breadth(longer) > breadth(duration(runs, planned()))

    def test_runs_that_are_more_alike_count_more(self) -> None:
        runs = [past(60, model="small") for _ in range(10)] + [past(600, model="large") for _ in range(10)]
        assert known(duration(runs, planned(model="large"))).likely > 400
        assert known(duration(runs, planned(model="small"))).likely < 90

    def test_a_learning_rate_or_a_seed_changes_nothing(self) -> None:
        runs = [past(60, lr=0.1, seed=1)] * 5 + [past(600, lr=0.0001, seed=2)] * 5
        assert known(duration(runs, planned(lr=0.1, seed=1))).likely > 100

    def test_a_run_that_hung_moves_little(self) -> None:
        runs = [past(60 + i) for i in range(12)]
        assert known(duration([*runs, past(90_000)], planned())).likely < 75

    def test_a_run_that_died_early_counts_less(self) -> None:
        runs = [past(60)] * 3 + [past(2, status="failed")] * 3
        assert known(duration(runs, planned())).likely > 30

    @given(
        st.lists(st.builds(past, st.just(0.0) | st.floats(1e-3, 1e6), epochs=st.floats(0, 1e6)), max_size=30),
        st.floats(0, 1e6),
    )
    def test_the_range_is_in_order_and_finite(self, runs: list[PastRun], epochs: float) -> None:
        found = duration(runs, planned(epochs=epochs))
        assert (found is None) == (not any(run.duration_s > 0 for run in runs))
        if found is not None:
            assert 0 < found.low < found.likely < found.high < float("inf")

    def test_the_range_holds_for_runs_of_a_quite_different_kind_of_chance(self) -> None:
        chance = random.Random(3)
        inside = 0
        for _ in range(400):
            lengths = [60 * chance.gammavariate(4, 1) for _ in range(chance.choice([3, 10, 25]) + 1)]
            found = known(duration([past(seconds) for seconds in lengths[1:]], planned()))
            inside += found.low <= lengths[0] <= found.high
        assert inside / 400 > 0.75


class TestRemaining:
    TEN_MINUTES = Spread(300, 600, 1200)

    def test_nothing_is_known_of_nothing(self) -> None:
        assert remaining(None, 100, None) is None
        assert remaining(None, 100, 0.0) is None

    def test_at_the_start_all_is_left(self) -> None:
        assert remaining(self.TEN_MINUTES, 0, None) == self.TEN_MINUTES

    def test_a_run_past_its_time_is_never_said_to_be_over(self) -> None:
        assert all(known(remaining(self.TEN_MINUTES, at, None)).low > 0 for at in (600, 1200, 2400, 50_000, 1e7))

    def test_progress_alone_is_enough(self) -> None:
        half = known(remaining(None, 300, 0.5))
        assert half.likely == pytest.approx(300)
        assert half.low < 300 < half.high

    def test_progress_counts_the_more_the_further_it_is(self) -> None:
        early, late = (known(remaining(self.TEN_MINUTES, at, at / 3000)).likely for at in (60, 1500))
        assert 540 < early < 1400
        assert 1200 < late < 1600

    @given(st.floats(1, 1e6), st.floats(1, 10), st.floats(1, 10), st.floats(0, 1e7), st.none() | st.floats(0, 1))
    def test_what_is_left_is_in_order_and_finite(
        self, likely: float, below: float, above: float, elapsed: float, progress: float | None
    ) -> None:
        left = known(remaining(Spread(likely / below, likely, likely * above), elapsed, progress))
        assert 0 <= left.low <= left.likely <= left.high < float("inf")


def waits(run_id: int, user: str = "ana", gpus: int = 1, seconds: float | None = 600, blocked: str = "") -> Waiting:
    expected = Spread(seconds / 1.5, seconds, seconds * 1.5) if seconds else None
    return Waiting(run_id, user, float(run_id), 0, 0.0, gpus, None, blocked, expected)


def holds(left: float | None, started_at: float = 0.0) -> Holding:
    expected = Spread(left / 1.5, left, left * 1.5) if left else None
    return Holding(99, "ana", ("gpu0",), None, started_at, expected)


class TestStarts:
    def test_what_starts_now_starts_now(self) -> None:
        assert starts([waits(1)], [], GPU, {}, LIMITS, 1000.0) == {1: Spread(0, 0, 0)}

    def test_the_next_waits_for_the_one_before_it(self) -> None:
        told = starts([waits(i) for i in range(1, 5)], [holds(300)], GPU, {}, LIMITS, 1000.0)
        assert told[1].likely == pytest.approx(300, rel=0.25)
        assert told[3].likely == pytest.approx(300 + 2 * 600, rel=0.25)
        assert all(one.likely < other.likely for one, other in pairwise(told[i] for i in (1, 2, 3, 4)))
        assert all(spread.low < spread.likely < spread.high for spread in told.values())

    def test_the_same_question_gets_the_same_answer_in_any_order(self) -> None:
        waiting = [waits(i, user) for i, user in enumerate(["ana", "bob", "cem", "ana", "bob"], 1)]
        first = starts(waiting, [holds(300)], GPU, {"ana": 1.0, "bob": 2.0}, LIMITS, 1000.0)
        assert starts(waiting[::-1], [holds(300)], GPU, {"bob": 2.0, "ana": 1.0}, LIMITS, 1000.0) == first

    def test_what_nothing_is_known_of_gets_no_answer(self) -> None:
        waiting = [waits(1, seconds=None), waits(2), waits(3, blocked="after run 99"), waits(4, gpus=4)]
        assert set(starts(waiting[:1] * 1 + [waits(5, seconds=None)], [], GPU, {}, LIMITS, 0.0)) == {1}
        assert set(starts(waiting, [holds(300)], GPU, {}, LIMITS, 0.0)) == {1, 2}

    def test_a_run_after_others_starts_when_these_have_ended(self) -> None:
        chain = [replace(waits(i), blocked="after …", after=(before,)) for i, before in ((3, 2), (4, 3))]
        told = starts([waits(2, seconds=600), *chain], [holds(300)], GPU, {}, LIMITS, 1000.0)
        assert told[3].likely == pytest.approx(300 + 600, rel=0.25)
        assert told[4].likely == pytest.approx(300 + 2 * 600, rel=0.25)

    def test_a_run_after_one_that_has_no_turn_gets_no_answer(self) -> None:
        never = replace(waits(3), blocked="after …", after=(4,))
        assert set(starts([waits(2), never, waits(4, gpus=4)], [], GPU, {}, LIMITS, 0.0)) == {2}

    def test_with_nothing_to_tell_nothing_is_told(self) -> None:
        assert starts([], [holds(300)], GPU, {"bob": 1.0}, LIMITS, 0.0) == {}
        assert starts([waits(1, blocked="after run 99")], [holds(300)], GPU, {"bob": 1.0}, LIMITS, 0.0) == {}

    def test_a_stranger_may_stay_for_ever(self) -> None:
        slots = [Slot("gpu0", 80 * GB, 39 * GB, "python (pid 99, bob) 41 GB"), Slot("gpu1", 80 * GB, 80 * GB)]
        assert set(starts([waits(1, gpus=2), waits(2), waits(3)], [], slots, {}, LIMITS, 0.0)) == {2, 3}

    def test_a_run_of_unknown_length_may_go_on_as_long_as_it_has(self) -> None:
        told = starts([waits(1)], [holds(None, started_at=0.0)], GPU, {}, LIMITS, 3600.0)
        assert told[1].low < 1800 < told[1].likely < 7200 < told[1].high

    def test_others_may_queue_more_and_the_range_says_so(self) -> None:
        """cem had as much as ana: with nothing of cem's in the queue, cem may yet come."""
        alone = starts([waits(i) for i in range(8)], [], GPU, {"ana": 9.0}, LIMITS, 0.0)
        others = starts([waits(i) for i in range(8)], [], GPU, {"ana": 9.0, "cem": 9.0}, LIMITS, 0.0)
        assert others[7].high > 1.3 * alone[7].high
        assert others[7].low < 1.3 * alone[7].low

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(
            st.builds(waits, st.integers(1, 10**6), st.sampled_from(["ana", "bob"]), st.integers(0, 3)),
            max_size=12,
            unique_by=lambda run: run.run_id,
        ),
        st.integers(0, 3),
    )
    def test_every_run_that_this_machine_can_serve_gets_an_answer(self, waiting: list[Waiting], gpus: int) -> None:
        slots = [*(Slot(f"gpu{i}", 80 * GB, 80 * GB) for i in range(gpus)), Slot("cpu0", None, None)]
        told = starts(waiting, [], slots, {}, LIMITS, 0.0, samples=8)
        assert set(told) == {run.run_id for run in waiting if not gpus or run.gpus <= gpus}
