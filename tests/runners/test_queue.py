"""What the choice of the next runs holds to, whatever waits and whoever holds what."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.queue import Choice, Holding, Limits, Slot, Spread, Use, Waiting, choose, demand, device_hours
from runners.scheduling.terms import kind_of
from tests.played_queue import GB, play

HOUR = 3600.0
CARD = 80 * GB
USERS = ["ana", "bob", "cem"]


def gpus(count: int) -> list[Slot]:
    return [Slot(f"gpu{index}", CARD, CARD) for index in range(count)]


def cpus(count: int) -> list[Slot]:
    return [Slot(f"cpu{index}", None, None) for index in range(count)]


def about(seconds: float) -> Spread:
    return Spread(seconds / 2, seconds, seconds * 2)


def waits(run_id: int, user: str = "ana", gpus: int = 1, *, seconds: float | None = 600, **more: object) -> Waiting:
    run = Waiting(run_id, user, float(run_id), 0, 0.0, gpus, None, duration_s=about(seconds) if seconds else None)
    return replace(run, **more)  # type: ignore[arg-type]


def holds(run_id: int, devices: str, user: str = "ana", memory: int | None = None, left: float | None = 600) -> Holding:
    return Holding(run_id, user, tuple(devices.split()), memory, 0.0, about(left) if left else None)


def decide(
    waiting: Sequence[Waiting],
    holding: Sequence[Holding] = (),
    slots: Sequence[Slot] = (),
    *,
    hours: Mapping[str, float] = {},
    per_user: int | None = None,
    now: float = 1000.0,
) -> Choice:
    return choose(waiting, holding, slots or gpus(2), hours, Limits(per_user), now)


def started(choice: Choice) -> dict[int, tuple[str, ...]]:
    return {start.run_id: start.devices for start in choice.starts}


Scene = tuple[list[Waiting], list[Holding], list[Slot], dict[str, float], Limits]

spreads = st.none() | st.builds(about, st.floats(1, 1e5))
cards = st.tuples(
    st.sampled_from([24, 80]), st.integers(0, 40), st.sampled_from(["", "", "python (pid 99, bob) 41 GB"])
)
slot_lists = st.builds(
    lambda cards, count: [
        *(Slot(f"gpu{i}", size * GB, max(0, size - used) * GB, who) for i, (size, used, who) in enumerate(cards)),
        *cpus(count),
    ],
    st.lists(cards, max_size=4),
    st.integers(1, 3),
)
runs_waiting = st.lists(
    st.builds(
        Waiting,
        st.integers(1, 10**6),
        st.sampled_from(USERS),
        st.floats(0, 1000),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([0.0, 1.0]),
        st.integers(0, 5),
        st.none() | st.integers(1, 90).map(lambda size: size * GB),
        st.sampled_from(["", "", "", "after run 3"]),
        spreads,
        st.none() | st.floats(0, 1000),
    ),
    max_size=25,
    unique_by=lambda run: run.run_id,
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any queue on any machine; what is held was given by `choose` itself, so it is a state that can be."""
    slots = draw(slot_lists)
    limits = Limits(draw(st.none() | st.integers(1, 3)))
    hours = draw(st.dictionaries(st.sampled_from(USERS), st.floats(0, 100)))
    before = [replace(run, run_id=-run.run_id, blocked="") for run in draw(runs_waiting)]
    at_work = {run.run_id: run for run in before}
    held = [
        Holding(start.run_id, run.user, start.devices, run.memory, 0.0, run.duration_s)
        for start in choose(before, [], slots, {}, limits, 0.0).starts
        for run in [at_work[start.run_id]]
        if draw(st.booleans())
    ]
    return draw(runs_waiting), held, slots, hours, limits


@settings(max_examples=120, deadline=None)
@given(scenes())
def test_no_device_is_given_twice_and_no_claim_exceeds_it(scene: Scene) -> None:
    waiting, holding, slots, hours, limits = scene
    choice = choose(waiting, holding, slots, hours, limits, 1000.0)
    by_id = {run.run_id: run for run in waiting}
    size = {slot.name: slot.memory_bytes for slot in slots}
    alone: Counter[str] = Counter()
    claims: Counter[str] = Counter()
    fresh: Counter[str] = Counter()
    for devices, memory, new in [(hold.devices, hold.memory, False) for hold in holding] + [
        (start.devices, by_id[start.run_id].memory, True) for start in choice.starts
    ]:
        for name in devices:
            if memory is None or size[name] is None:
                alone[name] += 1
            else:
                claims[name] += memory
                fresh[name] += memory if new else 0
    for slot in slots:
        assert alone[slot.name] <= 1
        assert not (alone[slot.name] and claims[slot.name])
        assert claims[slot.name] <= (slot.memory_bytes or 0)
        assert not fresh[slot.name] or fresh[slot.name] <= (slot.free_bytes or 0)
    for start in choice.starts:
        kind, count = demand(by_id[start.run_id].gpus, slots)
        assert len(set(start.devices)) == len(start.devices) == count
        assert {kind_of(name) for name in start.devices} == {kind}
        if by_id[start.run_id].memory is None:
            assert not any(slot.stranger for slot in slots if slot.name in start.devices)


@settings(max_examples=80, deadline=None)
@given(scenes())
def test_every_run_starts_or_is_told_why_not(scene: Scene) -> None:
    waiting, holding, slots, hours, limits = scene
    choice = choose(waiting, holding, slots, hours, limits, 1000.0)
    assert sorted([*started(choice), *choice.held]) == sorted(run.run_id for run in waiting)
    assert all(choice.held.values())
    assert set(choice.reserved) <= set(choice.held)
    assert not {run.run_id for run in waiting if run.blocked} & set(started(choice))


@settings(max_examples=80, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_the_lists_does_not_matter(scene: Scene, chance: random.Random) -> None:
    waiting, holding, slots, hours, limits = scene
    first = choose(waiting, holding, slots, hours, limits, 1000.0)
    for rows in (waiting, holding, slots):
        chance.shuffle(rows)
    again = choose(waiting, holding, slots, dict(reversed(hours.items())), limits, 1000.0)
    assert again == first


@settings(max_examples=80, deadline=None)
@given(scenes())
def test_no_user_holds_more_of_a_kind_than_the_limit(scene: Scene) -> None:
    waiting, holding, slots, hours, limits = scene
    choice = choose(waiting, holding, slots, hours, limits, 1000.0)
    user = {run.run_id: run.user for run in waiting}
    had = {(hold.user, name) for hold in holding for name in hold.devices}
    has = had | {(user[start.run_id], name) for start in choice.starts for name in start.devices}
    assert limits.per_user is None or all(
        count <= limits.per_user for count in Counter((who, kind_of(name)) for who, name in has).values()
    )


@settings(max_examples=120, deadline=None)
@given(scenes())
def test_a_device_stays_idle_only_while_it_is_kept_for_a_run(scene: Scene) -> None:
    waiting, holding, slots, hours, _ = scene
    choice = choose(waiting, holding, slots, hours, Limits(), 1000.0)
    busy = [*(each.devices for each in holding), *(each.devices for each in choice.starts)]
    taken = {name for devices in busy for name in devices}
    idle = Counter(kind_of(slot.name) for slot in slots if slot.name not in taken and not slot.stranger)
    wants = {run.run_id: demand(run.gpus, slots) for run in waiting}
    kept_for = {wants[run_id][0]: run_id for run_id in choice.reserved}
    for run in waiting:
        kind, count = wants[run.run_id]
        if run.run_id in choice.held and not run.blocked and run.memory is None and count <= idle[kind]:
            assert kept_for.get(kind, run.run_id) != run.run_id


@given(st.lists(st.tuples(st.sampled_from(USERS), st.integers(1, 3)), max_size=6), st.integers(0, 3))
def test_what_fits_all_at_once_starts_all_at_once(asked: list[tuple[str, int]], spare: int) -> None:
    waiting = [waits(index + 1, user, count) for index, (user, count) in enumerate(asked)]
    total = sum(count for _, count in asked)
    assert len(decide(waiting, slots=gpus(max(1, total + spare))).starts) == len(waiting)


class TestTurns:
    def test_a_priority_goes_before_everything(self) -> None:
        choice = decide([waits(1, "ana"), waits(2, "bob", priority=1)], slots=gpus(1), hours={"bob": 99.0})
        assert started(choice) == {2: ("gpu0",)}

    def test_who_had_less_goes_first(self) -> None:
        choice = decide([waits(1, "ana"), waits(2, "bob")], slots=gpus(1), hours={"ana": 2.0, "bob": 1.0})
        assert started(choice) == {2: ("gpu0",)}

    def test_what_a_user_holds_now_counts_as_had(self) -> None:
        choice = decide([waits(2, "ana"), waits(3, "bob")], [holds(1, "gpu0", "ana")])
        assert started(choice) == {3: ("gpu1",)}

    def test_two_users_get_a_gpu_each_though_one_queued_first(self) -> None:
        assert started(decide([waits(1, "ana"), waits(2, "ana"), waits(3, "bob")])) == {1: ("gpu0",), 3: ("gpu1",)}

    def test_a_user_orders_the_runs_by_position_then_by_age(self) -> None:
        waiting = [waits(1), waits(2, position=-1.0), waits(3)]
        assert started(decide(waiting)) == {2: ("gpu0",), 1: ("gpu1",)}

    def test_old_hours_count_less(self) -> None:
        day = 24 * HOUR
        uses = [Use("ana", 0.0, HOUR), Use("bob", day, day + HOUR), Use("cem", day + HOUR / 2, None, 0.5)]
        hours = device_hours(uses, now=day + HOUR, half_life_s=day)
        assert hours["ana"] == pytest.approx(hours["bob"] / 2)
        assert hours["bob"] == pytest.approx(1.0, rel=0.02)
        assert hours["cem"] == pytest.approx(0.25, rel=0.02)


class TestHeld:
    def test_a_run_is_told_how_many_are_before_it(self) -> None:
        choice = decide([waits(index) for index in range(1, 6)])
        assert choice.held[3] == "next in line, waits for 1 GPU (gpu0: run 1 (ana), gpu1: run 2 (ana))"
        assert choice.held[4] == "1 run before it"
        assert choice.held[5] == "2 runs before it"

    def test_a_dependency_is_told_as_it_came(self) -> None:
        assert decide([waits(1, blocked="after run 12")]).held == {1: "after run 12"}

    def test_a_limit_is_told_with_its_owner(self) -> None:
        choice = decide([waits(2), waits(3, "bob")], [holds(1, "gpu0")], gpus(3), per_user=1)
        assert choice.held == {2: "ana's limit of 1 GPU"}

    def test_a_small_run_does_not_slip_past_a_big_one_of_the_same_user_at_the_limit(self) -> None:
        choice = decide([waits(2, gpus=2), waits(3)], [holds(1, "gpu0")], gpus(4), per_user=2)
        assert choice.held[3] == "ana's limit of 2 GPUs; run 2 comes before it"

    def test_more_than_there_is_is_told_and_holds_up_nobody(self) -> None:
        choice = decide([waits(1, gpus=4), waits(2, memory=100 * GB), waits(3, gpus=2)], per_user=2)
        assert choice.held == {
            1: "wants 4 GPUs, and this machine has 2 GPUs",
            2: "wants 100 GB on 1 GPU, and there is only 80 GB",
        }
        assert started(choice) == {3: ("gpu0", "gpu1")}
        assert "over ana's limit of 1 GPU" in decide([waits(1, gpus=2)], per_user=1).held[1]

    def test_a_stranger_is_named_and_holds_up_only_who_wants_the_gpu_alone(self) -> None:
        slots = [Slot("gpu0", CARD, 39 * GB, "python (pid 99, bob) 41 GB"), Slot("gpu1", CARD, CARD)]
        choice = decide([waits(1, gpus=2), waits(2), waits(3, memory=30 * GB)], slots=slots)
        assert choice.held == {1: "gpu0: held by python (pid 99, bob) 41 GB"}
        assert started(choice) == {2: ("gpu1",), 3: ("gpu0",)}


class TestSharedGpus:
    def test_claims_are_packed_tightly_and_leave_whole_gpus_free(self) -> None:
        sizes = [20, 30, 30]
        choice = decide([waits(i, memory=size * GB) for i, size in enumerate(sizes, 1)] + [waits(9)])
        assert started(choice) == {1: ("gpu0",), 2: ("gpu0",), 3: ("gpu0",), 9: ("gpu1",)}

    def test_the_fullest_gpu_that_has_room_is_taken(self) -> None:
        holding = [holds(1, "gpu0", memory=20 * GB), holds(2, "gpu1", memory=50 * GB)]
        assert started(decide([waits(3, memory=25 * GB)], holding)) == {3: ("gpu1",)}

    def test_no_claim_goes_where_a_run_is_alone(self) -> None:
        choice = decide([waits(3, memory=GB)], [holds(1, "gpu0"), holds(2, "gpu1")])
        assert "next in line, waits for 1 GB on 1 GPU" in choice.held[3]

    def test_what_the_driver_calls_used_is_not_claimed_again(self) -> None:
        slots = [Slot("gpu0", CARD, 10 * GB)]
        choice = decide([waits(2, memory=20 * GB)], [holds(1, "gpu0", memory=30 * GB)], slots)
        assert not choice.starts

    def test_a_stranger_beside_a_claim_may_hold_all_that_is_used(self) -> None:
        slots = [Slot("gpu0", CARD, 50 * GB, "python (pid 99, bob) 20 GB")]
        holding = [holds(1, "gpu0", memory=30 * GB)]
        assert not decide([waits(2, memory=25 * GB)], holding, slots).starts
        assert decide([waits(2, memory=20 * GB)], holding, slots).starts


class TestDemand:
    @pytest.mark.parametrize(
        ("wanted", "slots", "got"),
        [
            (0, [*gpus(2), *cpus(1)], ("cpu", 1)),
            (3, [*gpus(2), *cpus(1)], ("gpu", 3)),
            (0, cpus(2), ("cpu", 1)),
            (8, cpus(2), ("cpu", 2)),
        ],
    )
    def test_cpu_slots_play_the_gpus_part_where_there_are_none(
        self, wanted: int, slots: list[Slot], got: tuple[str, int]
    ) -> None:
        assert demand(wanted, slots) == got

    def test_a_run_without_gpus_waits_for_no_gpu(self) -> None:
        choice = decide([waits(1, gpus=2), waits(2, gpus=0)], [holds(9, "gpu0")], [*gpus(2), *cpus(1)])
        assert started(choice) == {2: ("cpu0",)}

    def test_claims_of_memory_mean_nothing_on_cpu_slots(self) -> None:
        assert len(decide([waits(i, memory=GB) for i in (1, 2, 3)], slots=cpus(2)).starts) == 2


class TestReservations:
    """gpu0 is taken for about 600 s more, run 1 wants both GPUs and is next."""

    def scene(self, *others: Waiting, left: float | None = 600, since: float | None = None) -> Choice:
        return decide([waits(1, "bob", 2, reserved_since=since), *others], [holds(9, "gpu0", left=left)])

    def test_a_run_that_ends_in_time_is_slipped_in(self) -> None:
        choice = self.scene(waits(2, seconds=250))
        assert started(choice) == {2: ("gpu1",)}
        assert choice.reserved == [1]

    def test_one_that_may_not_end_in_time_stands_back_and_is_told_for_whom(self) -> None:
        choice = self.scene(waits(2, seconds=350))
        assert not choice.starts
        assert choice.held[2] == "lets run 1 (bob) start first"

    def test_one_of_unknown_length_stands_back(self) -> None:
        assert not self.scene(waits(2, seconds=None)).starts

    def test_where_nobody_knows_when_the_gpus_are_free_nothing_is_slipped_in(self) -> None:
        assert not self.scene(waits(2, seconds=1), left=None).starts

    def test_when_patience_is_over_nothing_is_slipped_in(self) -> None:
        assert self.scene(waits(2, seconds=100), since=500.0).starts
        assert not self.scene(waits(2, seconds=100), since=400.0).starts

    def test_it_stays_first_though_its_user_has_had_more_meanwhile(self) -> None:
        waiting = [waits(1, "bob", 2, reserved_since=900.0), waits(2)]
        assert started(decide(waiting, hours={"bob": 5.0})) == {1: ("gpu0", "gpu1")}
        assert started(decide([replace(waiting[0], reserved_since=None), waiting[1]], hours={"bob": 5.0}))[2]

    def test_a_priority_and_its_own_users_new_order_still_go_before_it(self) -> None:
        kept = waits(1, "bob", 2, reserved_since=900.0)
        assert 2 in started(decide([kept, waits(2, priority=1)]))
        assert 2 in started(decide([kept, waits(2, "bob", position=-1.0)]))

    def test_gpus_that_it_will_not_need_go_to_others(self) -> None:
        choice = decide([waits(1, "bob", 2), waits(2, seconds=None)], [holds(9, "gpu0 gpu1 gpu2")], gpus(4))
        assert started(choice) == {2: ("gpu3",)}

    def test_of_two_that_it_could_each_spare_gpus_for_only_one_goes(self) -> None:
        waiting = [waits(1, "bob", 3), waits(2, seconds=None), waits(3, seconds=None)]
        assert started(decide(waiting, [holds(9, "gpu0 gpu1")], gpus(4))) == {2: ("gpu2",)}

    def test_a_stranger_on_a_gpu_makes_nobody_wait_for_it(self) -> None:
        slots = [Slot("gpu0", CARD, 39 * GB, "python (pid 99, bob)"), Slot("gpu1", CARD, CARD)]
        assert started(decide([waits(1, gpus=2), waits(2, seconds=None)], slots=slots)) == {2: ("gpu1",)}


lengths = st.floats(10, 5000)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(USERS),
            st.integers(1, 3),
            st.none() | st.integers(1, 80),
            lengths,
            lengths,
            st.floats(0, 5000),
        ),
        min_size=1,
        max_size=25,
    ),
    st.none() | st.integers(3, 5),
)
def test_every_run_gets_its_turn_however_wrong_the_estimates(
    asked: list[tuple[str, int, int | None, float, float, float]], per_user: int | None
) -> None:
    runs = [
        (Waiting(i, user, at, 0, 0.0, count, size and size * GB, duration_s=about(told)), true)
        for i, (user, count, size, told, true, at) in enumerate(asked)
    ]
    played = play(runs, gpus(3), Limits(per_user))
    assert sorted(played.ended) == sorted(run.run_id for run, _ in runs)


def test_a_run_that_wants_every_gpu_starts_in_a_stream_that_never_ends() -> None:
    """The stream's runs claim to take a second and take ten minutes, so that slipping them in is always wrong."""
    stream = [(waits(i, "ana", seconds=1, queued_at=i * 60.0), 600.0) for i in range(1, 400)]
    big = (waits(1000, "bob", 2, queued_at=3000.0), 600.0)
    played = play([*stream, big], gpus(2), Limits(patience_s=600))
    assert played.started[1000] - 3000.0 <= 600 + 2 * 600


def test_shares_are_even_over_a_long_queue() -> None:
    """ana's runs are ten times as short as bob's, and cem's share a GPU: each has the same part of the devices."""
    chance = random.Random(1)
    runs = []
    for index in range(400):
        user = "ana" if index % 4 < 2 else USERS[index % 4 - 1]
        seconds = {"ana": 120, "bob": 1200, "cem": 500}[user]
        memory = 40 * GB if user == "cem" else None
        run = waits(index, user, seconds=seconds, queued_at=0.0, memory=memory)
        runs.append((run, seconds * chance.uniform(0.5, 1.5)))
    played = play(runs, gpus(2))
    had = played.device_seconds(played.all_had_work_until())
    even = sum(had.values()) / 3
    assert all(abs(seconds / even - 1) < 0.1 for seconds in had.values()), had
