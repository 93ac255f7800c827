"""Whether anything has been committed to the shed: asked often, so it costs next to nothing."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from storage.shed import Shed


class Changes:
    """A connection kept to notice commits of other connections, in this process or any other.

    It only reads, so it cannot roll back what a killed writer left half done: until somebody who may write looks at
    the shed, nothing has changed.
    """

    def __init__(self, shed: Shed) -> None:
        # No waiting: while somebody writes, the answer is the old one and the next look gives the new one.
        self._connection = sqlite3.connect(f"file:{shed.db}?mode=ro", uri=True, timeout=0, check_same_thread=False)
        self._known = self._last = 0
        self._last = self.version()

    def any(self) -> bool:
        """Whether something was committed since this was asked last (a few microseconds)."""
        version = self.version()
        changed, self._last = version != self._last, version
        return changed

    def version(self) -> int:
        """A number that is another one after each commit; the one before while the shed cannot be asked."""
        with suppress(sqlite3.DatabaseError):
            self._known = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        return self._known

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
