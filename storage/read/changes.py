"""Whether anything has been committed to the shed: asked often, so it costs next to nothing."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from storage.shed import Shed


class Changes:
    """A connection kept to notice commits of other connections, in this process or any other."""

    def __init__(self, shed: Shed) -> None:
        # No waiting: while somebody writes, the answer is the old one and the next look gives the new one.
        self._connection = sqlite3.connect(f"file:{shed.db}?mode=ro", uri=True, timeout=0, check_same_thread=False)
        self._last = self._version()

    def any(self) -> bool:
        """Whether something was committed since this was asked last (a few microseconds)."""
        version = self._version()
        changed, self._last = version != self._last, version
        return changed

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()

    def _version(self) -> int:
        try:
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError:
            return getattr(self, "_last", 0)
        return int(row[0])
