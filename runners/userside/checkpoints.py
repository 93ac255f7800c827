"""A run's checkpoints: the last two, each whole, and what the metric series held when they were written.

`latest.json` is the pointer: a list of the checkpoints, newest first, each with its file, step, size and checksum.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Optional

from . import states
from .events import Events
from .files import replacing, write_json
from .packages import MissingPackage

KEPT = 2


class CheckpointFailed(OSError):
    """The disk did not take a checkpoint; the ones before are whole."""


@dataclass
class Entry:
    """One checkpoint: `rows` are the records of every metric group, `counted` the run's own step counter."""

    file: str
    step: int
    rows: dict[str, int]
    counted: int
    size: int
    crc32: int
    at: float


class Checkpoints:
    """The checkpoints in one directory."""

    def __init__(self, directory: str, events: Events) -> None:
        self._directory = directory
        self._events = events

    def save(self, state: Any, step: int, *, rows: dict[str, int], counted: int) -> None:
        """Write a checkpoint safe from a power cut, then let go of all but the last two.

        Raises:
            TypeError: the state holds something that could not be read back.
            CheckpointFailed: the disk did not take it.
        """
        form = states.form_of(state)
        entries = self._entries()
        number = 1 + max([int(entry.file.partition(".")[0]) for entry in entries], default=0)
        name = f"{number:06d}.{form}"
        counting: Optional[_Counting] = None
        try:
            os.makedirs(self._directory, exist_ok=True)
            with replacing(os.path.join(self._directory, name)) as file:
                counting = _Counting(file)
                states.write(state, form, counting)  # type: ignore[arg-type]
            entry = Entry(name, step, rows, counted, counting.size, counting.crc32, time.time())
            self._point_at([entry, *entries[: KEPT - 1]])
        except (OSError, RuntimeError) as error:  # torch's writer turns the disk's error into a RuntimeError
            cause = error if isinstance(error, OSError) else counting.error if counting else None
            if cause is None:
                raise
            self._remove_all_but(entries)
            raise CheckpointFailed(self._refusal(step, cause, entries)) from cause
        self._events.emit("checkpoint", step=step, file=name, bytes=entry.size)

    def restore(self, *, keep_damaged: bool) -> Optional[tuple[Any, Entry]]:
        """Return the newest checkpoint that is whole, as (state, entry), or None where there is none.

        A damaged one is told in the events, and given up for the one before unless `keep_damaged`.
        """
        entries = self._entries()
        for place, entry in enumerate(entries):
            try:
                state = self._read(entry)
            except MissingPackage:
                raise
            except Exception as error:  # damaged bytes raise anything
                left = entries[place + 1 :]
                then = f"going on from the one at step {left[0].step}" if left else "starting over"
                self._events.warn(f"the checkpoint at step {entry.step} is damaged ({error}); {then}")
                continue
            if place and not keep_damaged:
                self._point_at(entries[place:])
            return state, entry
        return None

    def _read(self, entry: Entry) -> Any:
        with open(os.path.join(self._directory, entry.file), "rb") as file:
            crc32 = 0
            for piece in iter(lambda: file.read(1 << 20), b""):
                crc32 = zlib.crc32(piece, crc32)
            if file.tell() != entry.size:
                raise ValueError(f"{file.tell()} bytes instead of {entry.size}")
            if crc32 != entry.crc32:
                raise ValueError("its checksum is another")
            file.seek(0)
            return states.read(entry.file.rpartition(".")[2], file)

    def _entries(self) -> list[Entry]:
        try:
            with open(os.path.join(self._directory, "latest.json"), encoding="utf-8") as file:
                return [Entry(**fields) for fields in json.load(file)]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            self._events.warn(f"the list of checkpoints is damaged ({error}); starting over")
            return []

    def _point_at(self, entries: list[Entry]) -> None:
        write_json(os.path.join(self._directory, "latest.json"), [asdict(entry) for entry in entries])
        self._remove_all_but(entries)

    def _remove_all_but(self, entries: list[Entry]) -> None:
        kept = {"latest.json", *(entry.file for entry in entries)}
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):
                if name not in kept:
                    os.unlink(os.path.join(self._directory, name))

    def _refusal(self, step: int, cause: OSError, entries: list[Entry]) -> str:
        before = f"the one before, at step {entries[0].step}, is whole" if entries else "there was none before"
        return f"the checkpoint at step {step} was not written: {cause.strerror or cause}; {before}"


class _Counting:
    """A file that sums up what is written to it, and remembers why the disk refused."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.crc32 = 0
        self.error: Optional[OSError] = None

    def write(self, piece: Any) -> int:
        try:
            self._file.write(piece)
        except OSError as error:
            self.error = error
            raise
        self.size += len(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)
        return len(piece)

    def flush(self) -> None:
        self._file.flush()
