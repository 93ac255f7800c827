"""Waiting for what another process does, without guessing how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

Found = TypeVar("Found")


def until(condition: Callable[[], Found | Literal[False, ""] | None], timeout: float = 60.0) -> Found:
    """Ask `condition` until it gives something true, and return that. Fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} still gives {found!r} after {timeout:g} s")
        pause.wait(0.01)
