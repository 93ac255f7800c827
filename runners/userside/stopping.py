"""Being asked to stop: by a file in the run directory, or by SIGTERM."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Optional

from .failures import Stopped

LOOK_SECONDS = 0.1


class StopRequest:
    """Whether the run was asked to stop.

    SIGTERM ends at once (with `Stopped`) a run whose code never asks; one that does ask is left to end in its own time.
    A second SIGTERM ends it in any case.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._process = os.getpid()
        self._is_asked_for = False
        self._next_look = 0.0
        self.received = False

    def listen(self) -> None:
        """Take SIGTERM from now on. Call in the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def ignore(self) -> None:
        """Take no more SIGTERM: what is left to do is short, and must be whole."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def asked(self) -> bool:
        """Whether to stop. The file is looked for ten times a second at most, so a loop may call this at every step."""
        self._is_asked_for = True
        now = time.monotonic()
        if not self.received and now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self.received = os.path.exists(self._file)
        return self.received

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        if os.getpid() != self._process:  # a forked worker of the user's: it dies as it would without us
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if self._is_asked_for and not self.received:
            self.received = True
            return
        self.received = True
        raise Stopped("the run was asked to stop (SIGTERM)")
