"""What the child tells while it runs: whole lines of events.jsonl, each handed on at least once and in order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Event = dict[str, Any]
OnEvent = Callable[[Event], object]
PIECE = 4 << 20


class EventTail:
    """Reads RUN_DIR/events.jsonl from where the last supervisor stopped, a place kept in RUN_DIR/events.offset."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / "events.jsonl"
        self._place = run_dir / "events.offset"
        self._offset = 0
        with suppress(OSError, ValueError):
            self._offset = int(self._place.read_text())

    def close_torn_line(self) -> None:
        """End the half line that a killed child left, so that the next child's first event does not grow onto it."""
        with suppress(FileNotFoundError), self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                file.write(b"\n")

    def deliver(self, on_event: OnEvent) -> None:
        """Hand every new whole line to `on_event`. A line that is no JSON object is skipped.

        When `on_event` raises, that goes to the caller, and the same event comes again with the next call.
        """
        before = self._offset
        try:
            while piece := self._read():
                self._hand_on(piece, on_event)
        finally:
            if self._offset != before:
                with suppress(OSError):  # a full disk: the next supervisor would hand some events on twice
                    self._place.write_text(f"{self._offset}\n")

    def _read(self) -> bytes:
        """The next whole lines."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            if os.fstat(fd).st_size < self._offset:
                self._offset = 0
            piece = os.pread(fd, PIECE, self._offset)
        finally:
            os.close(fd)
        end = piece.rfind(b"\n") + 1
        if not end and len(piece) == PIECE:  # no event is that long: let it go by
            self._offset += PIECE
            return self._read()
        return piece[:end]

    def _hand_on(self, piece: bytes, on_event: OnEvent) -> None:
        for line in piece.splitlines(keepends=True):
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if isinstance(event, dict):
                on_event(event)
            self._offset += len(line)
