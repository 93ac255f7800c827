"""The writing side of the prediction log: requests are collected, and reach the disk a few times a second.

One record becomes a line at once, which takes 2 µs: a thread that made a thousand lines at a time would hold up what is
asked at that moment. The thread makes the longer ones, and writes them all. What does not fit into memory or onto the
disk is dropped and counted: nothing here ever stops a prediction. `storage.predictions` reads it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from runners.serving.figures import Figures
from storage.hashing import hash_bytes
from storage.serve_section import LogSection

FLUSH_S = 0.1
ROTATE_BYTES = 64 << 20
ROTATE_S = 600.0
BUFFER_BYTES = 32 << 20

Item = TypeVar("Item")
Rows = bytes | Callable[[], list[dict[str, Any]]]  # the JSON of one record as it came, or what makes the records


@dataclass(slots=True, eq=False)
class Answered:
    """One answered request, before it is a line."""

    id: str
    at: float
    milliseconds: float
    version: int
    digest: str
    route: str
    rows: Rows
    entries: list[dict[str, Any]]


class LogFile:
    """Lines appended to one file after another; `prefix` tells the readers what kind they are.

    A name ends in `.open.jsonl` while it is written, and in `.jsonl` once it will not change any more.
    """

    def __init__(self, folder: Path, prefix: str, figures: Figures) -> None:
        self._folder = folder
        self._prefix = prefix
        self._figures = figures
        self._fd = -1
        self._path = folder
        self._size = 0
        self._opened_at = 0.0

    def append(self, lines: list[bytes]) -> None:
        """Write these lines, whole or not at all. A disk that is full is counted, not raised."""
        try:
            self._rotate_when_due()
            if not lines:
                return
            if self._fd < 0:
                self._open()
            data = b"".join(lines)
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
            self._size += len(data)
            self._figures.add("log_written", len(lines))
        except OSError:
            self._figures.add("log_errors")
            self._figures.add("log_dropped", len(lines))
            if self._fd >= 0:
                try:
                    os.ftruncate(self._fd, self._size)
                except OSError:
                    self.close()

    def close(self) -> None:
        """What was written will not change any more."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        closed(self._path)

    def _open(self) -> None:
        name = f"{self._prefix}-{time.time_ns()}-{os.getpid()}.open.jsonl"
        self._path = self._folder / name
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o660)
        self._size, self._opened_at = 0, time.monotonic()

    def _rotate_when_due(self) -> None:
        if self._fd >= 0 and (self._size >= ROTATE_BYTES or time.monotonic() - self._opened_at >= ROTATE_S):
            self.close()


def closed(path: Path) -> None:
    """Rename a file of lines that nobody writes any more, or remove it when nothing is in it."""
    try:
        if path.stat().st_size == 0:
            path.unlink()
        else:
            path.rename(path.with_name(path.name.replace(".open.jsonl", ".jsonl")))
    except OSError:
        return  # it stays readable under its old name


class PredictionLog:
    """Every answered request of this worker, and the truth that comes for it."""

    def __init__(self, folder: Path, rules: LogSection, figures: Figures, *, key: bytes = b"") -> None:
        self._rules = rules
        self._figures = figures
        self._key = key
        self._discreetly = bool(rules.drop or rules.hash)
        # The event loop appends while the thread takes: of a list that is swapped for another, the last would be lost.
        self._lines: deque[bytes] = deque()
        self._waiting: deque[Answered] = deque()  # those that take longer to be made a line
        self._truths: deque[bytes] = deque()
        self._bytes = self._truth_bytes = 0
        self._share = 0.0
        self._answers = LogFile(folder, "p", figures)
        self._feedback = LogFile(folder, "t", figures)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="prediction log", daemon=True)
        self._thread.start()

    def add(self, answered: Answered, size: int) -> bool:
        """Log an answer, unless it is left out; `size` is about what its inputs take in memory."""
        self._share += self._rules.sample
        if self._share < 1:
            return False
        self._share -= 1
        if self._bytes > BUFFER_BYTES:
            self._figures.add("log_dropped")
            return False
        self._bytes += size + 500
        if isinstance(answered.rows, bytes) and not self._discreetly:
            self._lines.append(self.line(answered))
        else:
            self._waiting.append(answered)
        return True

    def truths(self, lines: list[dict[str, Any]]) -> bool:
        """Log what turned out to be true: all of it, or where no memory is left for it, nothing, and False."""
        told = [msgspec.json.encode(line) + b"\n" for line in lines]
        size = sum(map(len, told))
        if self._truth_bytes + size > BUFFER_BYTES:
            return False
        self._truth_bytes += size
        self._truths.extend(told)
        return True

    def close(self) -> None:
        """Write what waits and let go."""
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._ended.wait(FLUSH_S):
            self._flush()
        self._flush()
        self._answers.close()
        self._feedback.close()

    def _flush(self) -> None:
        lines, waiting, truths = _taken(self._lines), _taken(self._waiting), _taken(self._truths)
        self._bytes = self._truth_bytes = 0
        self._answers.append(lines + [self.line(answered) for answered in waiting])
        self._feedback.append(truths)

    def line(self, answered: Answered) -> bytes:
        """An answer as a line of the log, without what the rules keep out of it."""
        rows = answered.rows
        if isinstance(rows, bytes):
            raw = rows.replace(b"\n", b" ").replace(b"\r", b" ")  # neither can stand inside a text of JSON
            if self._discreetly:
                raw = msgspec.json.encode(self._discreet(msgspec.json.decode(raw)))
            inputs = b"[" + raw + b"]"
        else:
            inputs = msgspec.json.encode([self._discreet(row) for row in rows()])
        head = {
            "id": answered.id,
            "at": answered.at,
            "ms": round(answered.milliseconds, 3),
            "version": answered.version,
            "digest": answered.digest,
            "route": answered.route,
            "out": answered.entries,
        }
        return msgspec.json.encode(head)[:-1] + b',"rows":' + inputs + b"}\n"

    def _discreet(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in self._rules.drop:
            row.pop(name, None)
        for name in self._rules.hash:
            if row.get(name) is not None:
                row[name] = hash_bytes(self._key + msgspec.json.encode(row[name]))[:16]
        return row


def _taken(waiting: deque[Item]) -> list[Item]:
    """All that was there at this moment."""
    return [waiting.popleft() for _ in range(len(waiting))]
