"""What an endpoint's counters stood at, minute by minute: the traffic and the errors of any past hour.

The prediction log tells what was answered; what was refused or failed leaves no line there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.durable import write_whole

FILE = "traffic.jsonl"
COUNTED = ("answered", "refused", "failed", "shed", "unauthorized")
MOST_BYTES = 16 << 20  # about 100 days


@dataclass(frozen=True)
class Sample:
    """The counters at a moment (seconds since the epoch, UTC). They only ever rise."""

    at: float
    counters: Mapping[str, int]

    def since(self, before: Sample) -> dict[str, int]:
        """What was counted since an earlier sample."""
        return {name: max(0, self.counters.get(name, 0) - before.counters.get(name, 0)) for name in COUNTED}


def note(folder: Path, at: float, counters: Mapping[str, int]) -> None:
    """Append a sample. When the file has grown long, its older half goes.

    Raises:
        OSError: when it cannot be written.
    """
    path = folder / FILE
    line = json.dumps({"at": round(at, 3), **{name: counters.get(name, 0) for name in COUNTED}}) + "\n"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660), "ab") as file:
        file.write(line.encode())
        size = file.tell()
    if size > MOST_BYTES:
        lines = path.read_bytes().splitlines(keepends=True)
        write_whole(path, b"".join(lines[len(lines) // 2 :]))


def read(folder: Path, since: float) -> list[Sample]:
    """The samples since then and the last one before, the oldest first; a line that a crash cut short is left out."""
    before: Sample | None = None
    found: list[Sample] = []
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            sample = Sample(float(told["at"]), {name: int(told.get(name, 0)) for name in COUNTED})
            if sample.at < since:
                before = sample
            else:
                found.append(sample)
    return [before, *found] if before is not None else found
