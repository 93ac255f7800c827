"""What the child tells its supervisor while it runs: one JSON object a line in `events.jsonl`."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Optional

from .files import to_json

PROGRESS_SECONDS = 0.2  # five lines a second are more than a person can read


class Events:
    """Appends events. A line is one write to a file opened for appending, so threads and forks never mix theirs."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660)
        self._torn = False
        self._held_back: Optional[tuple[float, float, str]] = None
        self._next_progress = 0.0

    def emit(self, event: str, **fields: Any) -> None:
        """Append one event with the time in `at`. A disk that takes no more costs the event, never the training."""
        line = to_json({"event": event, "at": time.time(), **fields}) + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            self._torn = os.write(self._file, line) < len(line)
        except OSError:
            self._torn = True

    def warn(self, text: str) -> None:
        """Tell it in the events and in the log."""
        self.emit("warning", text=text)
        with contextlib.suppress(OSError, ValueError):
            print(f"trainshed: {text}", file=sys.stderr, flush=True)

    def tell(self, event: str, fields: dict[str, Any]) -> None:
        """What a series' `Writer` has to tell."""
        if event == "warning":
            self.warn(fields["text"])
        else:
            self.emit(event, **fields)

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Tell how much of `total` is done, at most five times a second; the last word is never dropped."""
        now = time.monotonic()
        if now < self._next_progress and done < total:
            self._held_back = done, total, text
            return
        self._next_progress = now + PROGRESS_SECONDS
        self._tell_progress(done, total, text)

    def close(self) -> None:
        """Tell the progress that was held back, if it was the last."""
        if self._held_back is not None:
            self._tell_progress(*self._held_back)
        os.close(self._file)

    def _tell_progress(self, done: float, total: float, text: str) -> None:
        self._held_back = None
        share = min(1.0, max(0.0, done / total)) if total > 0 else None
        self.emit("progress", done=done, total=total, share=share, text=text)
