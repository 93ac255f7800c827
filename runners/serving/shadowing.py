"""A shadow: a second version answers the same requests after they were answered, for the log alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from runners.serving.predictionlog import Answered, LogFile
from runners.serving.refusals import Refused
from runners.serving.samples import SECOND, Samples, value_of
from runners.serving.session import Loaded
from storage.errors import TrainshedError

if TYPE_CHECKING:
    from runners.serving.state import Serving

PAUSE_S = 0.05
BREATH_S = 0.002  # between two parts of what waits: answers come first
MOST_BYTES = 4 << 20
PART = 100
MOST_REQUESTS = 5000  # that wait: more are dropped, and counted

Waiting = tuple[Answered, int, bool]


class Shadow:
    """A thread that takes what was offered, a few times a second."""

    def __init__(self, loaded: Loaded, serving: Serving, samples: Samples) -> None:
        self._loaded = loaded
        self._prediction_log = serving.log
        self._most_rows = serving.rules.max_rows
        self._samples = samples
        self._waiting: deque[Waiting] = deque()
        self._offered = self._done = 0  # bytes; the first is the event loop's, the second the thread's
        self._log = LogFile(serving.folder / "log", "s", serving.figures)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, found: Answered, size: int, *, logged: bool) -> None:
        """Answer this too, when there is time; `logged`: production's answer is in the log, and so will be this one."""
        if len(self._waiting) >= MOST_REQUESTS or self._offered - self._done > MOST_BYTES:
            self._samples.dropped(SECOND)
            return
        self._offered += size
        self._waiting.append((found, size, logged))

    def close(self) -> None:
        """Let go; what still waits is dropped."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.wait(BREATH_S if self._waiting else PAUSE_S):
            lines: list[bytes] = []
            for _ in range(min(PART, len(self._waiting))):
                found, size, logged = self._waiting.popleft()
                lines += self._answered(found, logged=logged)
                self._done += size
                if self._ended.is_set():
                    break
            self._log.append(lines)
        self._log.close()

    def _answered(self, found: Answered, *, logged: bool) -> list[bytes]:
        """The line of the log; none where the version failed, or the log has no line to compare it with."""
        began = time.perf_counter()
        try:
            rows = b"[%b]" % found.rows if isinstance(found.rows, bytes) else msgspec.json.encode(found.rows())
            feeds, _ = self._loaded.form.several(rows, self._most_rows)
            entries = self._loaded.entries(self._loaded.run(feeds))
        except (Refused, TrainshedError):
            self._samples.failed(SECOND)
            return []
        milliseconds = (time.perf_counter() - began) * 1000
        self._samples.answered(SECOND, milliseconds, value_of(entries[0]))
        if not logged:
            return []
        version = self._loaded.version
        own: dict[str, Any] = {"version": version.number, "digest": version.digest, "route": "shadow"}
        return [self._prediction_log.line(replace(found, milliseconds=milliseconds, entries=entries, **own))]
