"""The file in which a study lies: optuna's operations, one JSON object a line, as its own journal files have them.

One process writes it, the sweep's, which holds the sweep's lock. So it needs no lock of its own that a killed process
would leave behind, and half a line that a power cut left is taken away before the next is written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from storage.errors import RunFailed


class Journal(BaseJournalBackend):
    """The whole journal, in memory and on the disk.

    Raises:
        RunFailed: when somebody else could have written to it. CMA-ES keeps its state in it as pickles, and a pickle
            may do anything to whoever reads it.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o640)
        found = os.fstat(self._fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            os.close(self._fd)
            raise RunFailed(
                "others may write to this journal, or have", place=str(path), expected="a file that only you may change"
            )
        data = self._read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._fd, whole)
        self._size = whole
        self._logs: list[dict[str, Any]] = [json.loads(line) for line in data[:whole].splitlines()]

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """See optuna: the operations from this number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """See optuna. Returns when they are on the disk.

        Raises:
            OSError: when the disk takes them not; none of them is in the journal then.
        """
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        data = "".join(f"{line}\n" for line in lines).encode()
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)
        self._logs += [json.loads(line) for line in lines]

    def close(self) -> None:
        os.close(self._fd)

    def _read(self) -> bytes:
        data = bytearray()
        while piece := os.pread(self._fd, 1 << 20, len(data)):
            data += piece
        return bytes(data)
