"""Hints that something happened to files, from inotify where it works. Any may be missing: a rescan is the truth."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from storage.globs import WILD
from storage.journal import NETWORK_FILE_SYSTEMS, file_system

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

POLL_S = 2.0  # between rescans where nothing gives hints
RESCAN_S = 15.0  # between rescans where hints come: the kernel drops them when too much happens at once
SHARE = 0.05  # of the time, at most, that rescans take
TELLING = frozenset({"created", "deleted", "modified", "moved", "closed"})  # not: opened, closed_no_write


class Hints:
    """Watches the folders that patterns lead into, and calls `hint` (from a thread of its own) when something happens.

    `observer` makes what does the watching; by default the kernel's inotify.

    Attributes:
        warning: why there are no hints, so that rescans must do; empty where hints come.
        searching: whether a folder is not there yet, so that it is worth trying again.
    """

    def __init__(
        self,
        root: Path,
        patterns: Sequence[str],
        hint: Callable[[], None],
        *,
        observer: Callable[[], BaseObserver] | None = None,
    ) -> None:
        self.warning = ""
        self._make_observer = observer
        self.searching = False
        self._hint = hint
        self._observer: BaseObserver | None = None
        self._folders = {folder: deep for pattern in patterns for folder, deep in [_folder(root, pattern)]}
        self._watch()

    def _watch(self) -> None:
        missing = [folder for folder in self._folders if not folder.is_dir()]
        network = [folder for folder in self._folders if file_system(folder) in NETWORK_FILE_SYSTEMS]
        if missing:
            self.searching = True
            self.warning = f"{missing[0]} is not there; it is looked for every {POLL_S:g} s"
            return
        if network:
            self.warning = f"{network[0]} is on a network file system, which gives no hints: it is scanned instead"
            return
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        hint = self._hint

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type in TELLING:
                    hint()

        observer = (self._make_observer or Observer)()
        try:
            for folder, deep in self._folders.items():
                observer.schedule(Handler(), str(folder), recursive=deep)
            observer.start()
        except OSError as err:
            with suppress(RuntimeError):
                observer.stop()
            out = err.errno in (errno.ENOSPC, errno.EMFILE)
            why = "the limit of inotify watches is reached (sysctl fs.inotify)" if out else str(err.strerror)
            self.warning = f"{why}: files are scanned every {POLL_S:g} s instead"
            return
        self._observer = observer

    def alive(self) -> bool:
        """Whether hints still come: a watched folder may have been removed, or moved away."""
        observer = self._observer
        return observer is not None and observer.is_alive() and all(folder.is_dir() for folder in self._folders)

    def pause_between(self, scan_s: float) -> float:
        """Seconds until the next rescan without a hint, given how long the last one took."""
        return max(RESCAN_S if self._observer is not None else POLL_S, scan_s / SHARE)

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)
            self._observer = None


def _folder(root: Path, pattern: str) -> tuple[Path, bool]:
    """The folder that a pattern leads into, and whether it goes on into folders below."""
    parts = Path(pattern).expanduser().parts
    fixed = next((i for i, part in enumerate(parts) if WILD.search(part)), len(parts) - 1)
    return root.joinpath(*parts[:fixed]), len(parts) - fixed > 1 or parts[-1] == "**"
