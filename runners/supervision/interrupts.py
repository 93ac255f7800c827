"""Ctrl-C and SIGTERM, counted instead of raised, so that they cannot break into the middle of a write."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """While entered, SIGINT and SIGTERM to this process are counted, and `fd` becomes readable.

    One that came and was not `answered` is raised again at the end, for whoever handled it before.
    Nothing changes outside of the main thread, where Python takes no signals, and for a signal that is ignored (nohup).
    """

    def __init__(self) -> None:
        self.count = 0
        self.last = ""
        self.answered = False
        self._last_number = 0
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.fd)
        if self.count and not self.answered:
            signal.raise_signal(self._last_number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._last_number = number
        self.last = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        os.eventfd_write(self.fd, 1)
