"""How far a long piece of work is: a bar on a terminal, now and then a line in a pipe, an object with --json."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import Self

from app.output import Output, can_write
from screens import figures

QUIET_S = 0.5  # work that ends sooner is not worth a word
BAR_EVERY_S = 0.1
LINE_EVERY_S = 5.0
OBJECT_EVERY_S = 1.0
BAR = 24
BYTES = ("reading", "keeping", "copying")  # kinds of work that are counted in bytes, not in files


class Working:
    """Call it with what is done, how much of it, and of how much: from any thread, as often as you like."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self._lock = threading.Lock()
        self._bar = out.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._every = OBJECT_EVERY_S if out.json_lines else BAR_EVERY_S if self._bar else LINE_EVERY_S
        self._told = time.monotonic() + (QUIET_S if self._bar else 0.0) - (self._every if self._bar else 0.0)
        self._shown = False
        self._what, self._began = "", 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, err: object, trace: object) -> None:
        with self._lock:
            self._clear()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._lock.acquire(blocking=False):
            return  # another thread is telling something just as new
        try:
            if what != self._what:
                self._what, self._began = what, now
            if now - self._told < self._every:
                return
            self._told = now
            self.out.emit("progress", what=what, done=done, total=total)
            if self._bar:
                self._draw(what, done, total, now)
            elif not self.out.json_lines:
                self.out.note(f"{what}: {_amounts(what, done, total)}")
        finally:
            self._lock.release()

    def _draw(self, what: str, done: int, total: int, now: float) -> None:
        share = min(1.0, done / total) if total else 1.0
        full, rest = "━─" if can_write(self.out.stderr, "━─") else "#-"
        bar = full * round(share * BAR) + rest * (BAR - round(share * BAR))
        left = (now - self._began) * (1 - share) / share if share > 0.02 and now - self._began > 1 else 0.0
        text = f"{what}  {bar} {share * 100:3.0f} %  {_amounts(what, done, total)}"
        text += f"  {figures.duration(round(left))} left" if left >= 1 else ""
        width = shutil.get_terminal_size().columns
        self.out.stderr.write("\r" + text[: width - 1] + "\x1b[K")
        self.out.stderr.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            self.out.stderr.write("\r\x1b[K")
            self.out.stderr.flush()
            self._shown = False


def _amounts(what: str, done: int, total: int) -> str:
    if what in BYTES:
        return f"{figures.size(done)} of {figures.size(total)}"
    return f"{done:,} of {total:,}"
