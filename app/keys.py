"""What is typed while a panel stands under the prompt: known at once, and not shown."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def typed() -> Iterator[Callable[[float], str]]:
    """Gives a function that waits at most so many seconds for a key, and returns it; nothing where none came.

    Ctrl-C stays Ctrl-C. The terminal is itself again afterwards, also on SIGTERM.
    """
    fd = sys.stdin.fileno() if sys.stdin.isatty() else -1
    if fd < 0 or os.tcgetpgrp(fd) != os.getpgrp():  # in the background the keys are somebody else's
        yield _asleep
        return

    def wait(seconds: float) -> str:
        ready = select.select([fd], [], [], seconds)[0]
        return os.read(fd, 64).decode(errors="replace") if ready else ""

    before = termios.tcgetattr(fd)
    on_end = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    tty.setcbreak(fd)
    try:
        yield wait
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, on_end)


def _asleep(seconds: float) -> str:
    time.sleep(seconds)
    return ""
