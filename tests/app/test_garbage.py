"""The terminal UI looks through all that it holds while nobody types, and where that is worth it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from app.garbage import PASSES, PAUSE_S, Collector


class Ring:
    """Garbage, once nobody holds it, that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[Collector]:
    thresholds = gc.get_threshold()
    gc.collect()
    yield Collector()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def old_garbage() -> weakref.ref[Ring]:
    """A ring that was there for a while before it was let go of."""
    ring = Ring()
    for _ in range(PASSES):
        gc.collect(1)
    return weakref.ref(ring)


def test_it_waits_until_nobody_types(collector: Collector) -> None:
    ring = old_garbage()
    collector.look(PAUSE_S / 2)
    assert ring() is not None
    collector.look(PAUSE_S)
    assert ring() is None


def test_it_finds_what_becomes_garbage_after_the_first_pause_too(collector: Collector) -> None:
    for _ in range(3):
        ring = old_garbage()
        collector.look(PAUSE_S)
        assert ring() is None


def test_it_does_not_look_again_where_little_was_made_since(collector: Collector) -> None:
    old_garbage()
    collector.look(PAUSE_S)
    ring = weakref.ref(Ring())
    collector.look(PAUSE_S)
    assert ring() is not None


def test_while_somebody_types_python_begins_no_pass_over_everything(collector: Collector) -> None:
    ring = old_garbage()
    kept = [[] for _ in range(200_000)]  # type: ignore[var-annotated]  # Python's own rule has it look by then
    assert ring() is not None
    assert kept
