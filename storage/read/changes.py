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
        self._db = shed.db
        self._file = self._found()
        self._connection = self._connected()
        self._moves = self._known = self._last = 0  # moves: how often the shed went away, came back, or was another
        self._last = self.version()

    def any(self) -> bool:
        """Whether something was committed since this was asked last (a few microseconds)."""
        version = self.version()
        changed, self._last = version != self._last, version
        return changed

    def version(self) -> int:
        """A number that is another one after each commit; the one before while the shed cannot be asked.

        It is another one too when the shed was removed or renamed, and when it is back.
        """
        file = self._found()
        if file != self._file:
            self._file, self._moves = file, self._moves + 1
            if file is not None:
                with suppress(sqlite3.DatabaseError):
                    self.close()
                    self._connection = self._connected()
        with suppress(sqlite3.DatabaseError):
            self._known = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        return self._known + (self._moves << 40)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._db.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _connected(self) -> sqlite3.Connection:
        # No waiting: while somebody writes, the answer is the old one and the next look gives the new one.
        return sqlite3.connect(f"file:{self._db}?mode=ro", uri=True, timeout=0, check_same_thread=False)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
