"""Many small objects without the cyclic garbage collector in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Build tens of thousands of tuples: none of them is garbage, yet they would set off the collector over and over.

    In a process with many modules each of its full passes takes longer than the work itself.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
