"""Which files have settled: a burst of them counts once, and none is taken while somebody writes to it."""

from __future__ import annotations

from collections.abc import Mapping

from storage.globs import Found

LONGEST_BURST = 12  # quiet times: so long the first files of a stream that never pauses wait for the last

Key = tuple[str, str]  # table, path
Stat = tuple[int, int, int, int]  # size, mtime_ns, inode, ctime_ns


class Gathering:
    """The files as they were seen last, and since when each is as it is. Times are seconds of one steady clock."""

    def __init__(self, quiet_s: float) -> None:
        self.quiet_s = quiet_s
        self.stats: dict[Key, Stat] = {}
        self.since: dict[Key, float] = {}
        self.changed_at: float | None = None  # the last change, of any file
        self.first_at: float | None = None  # the first change that was not yet taken
        self.not_before = 0.0

    def update(self, found: Mapping[Key, Found], now: float) -> bool:
        """What a scan found; returns whether anything is other than before."""
        stats = {key: (file[1], file[2], file[3], file[4]) for key, file in found.items()}
        if stats == self.stats and self.changed_at is not None:
            return False
        for key, stat in stats.items():
            if self.stats.get(key) != stat:
                self.since[key] = now
        for key in self.since.keys() - stats.keys():
            del self.since[key]
        self.stats = stats
        self.changed_at, self.not_before = now, 0.0
        self.first_at = now if self.first_at is None else self.first_at
        return True

    @property
    def pending(self) -> bool:
        """Whether something changed that was not taken."""
        return self.first_at is not None

    def settles_at(self) -> float:
        """When what is pending can be taken, if nothing more happens."""
        assert self.changed_at is not None and self.first_at is not None
        settled = min(self.changed_at + self.quiet_s, self.first_at + LONGEST_BURST * self.quiet_s)
        return max(settled, self.not_before)

    def unsettled(self, now: float) -> set[Key]:
        """Files that changed within the quiet time."""
        return {key for key, since in self.since.items() if now - since < self.quiet_s}

    def taken(self) -> None:
        """What was pending has been looked at."""
        self.first_at = None

    def later(self, at: float) -> None:
        """What is pending must wait until then, unless more happens."""
        self.first_at = self.changed_at
        self.not_before = at
