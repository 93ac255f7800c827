"""Bursts count once, files that move are waited for, a stream that never pauses is taken nevertheless."""

from __future__ import annotations

from runners.triggers.gathering import Gathering, Key
from storage.globs import Found


def files(*stats: tuple[str, int]) -> dict[Key, Found]:
    return {("data", name): (f"/{name}", size, 1, 1, 1) for name, size in stats}


def test_files_settle_a_quiet_time_after_the_last_change() -> None:
    gathering = Gathering(5)
    assert gathering.update(files(("a", 1)), now=0)
    assert gathering.update(files(("a", 1), ("b", 1)), now=3)
    assert not gathering.update(files(("a", 1), ("b", 1)), now=4)
    assert gathering.pending and gathering.settles_at() == 8
    gathering.taken()
    assert not gathering.pending


def test_a_file_that_grows_or_goes_starts_the_quiet_time_again() -> None:
    gathering = Gathering(5)
    gathering.update(files(("a", 1), ("b", 1)), now=0)
    gathering.update(files(("a", 2), ("b", 1)), now=4)
    assert gathering.settles_at() == 9 and gathering.unsettled(now=6) == {("data", "a")}
    gathering.update(files(("b", 1)), now=7)
    assert gathering.settles_at() == 12 and gathering.unsettled(now=7) == set()


def test_a_stream_that_never_pauses_is_taken_without_what_still_moves() -> None:
    gathering = Gathering(5)
    for second in range(70):
        gathering.update(files(*((str(i), 1) for i in range(second + 1))), now=second)
        if second >= gathering.settles_at():
            break
    assert second == 60
    assert len(gathering.unsettled(now=60)) == 5


def test_what_must_wait_is_looked_at_again_then_or_when_more_happens() -> None:
    gathering = Gathering(1)
    gathering.update(files(("a", 1)), now=0)
    gathering.later(at=30)
    assert gathering.pending and gathering.settles_at() == 30
    gathering.update(files(("a", 2)), now=10)
    assert gathering.settles_at() == 11
