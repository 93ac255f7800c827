"""The line to the user's terminal, which may break at any time: SSH drops, a window is closed."""

from __future__ import annotations

import signal
from typing import Any, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

HUNG_UP = 128 + signal.SIGHUP  # the exit code of what a shell ends so


class Line(LinuxDriver):
    """Textual's driver, for which a broken line is no error but the end.

    Textual's own one stops its writing thread at the first write that fails, after which the app waits for ever to
    write the next picture; and a read that fails is shown as a crash, on a terminal that is not there.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._file = cast(Any, _Writer(cast(TextIO, self._file)))

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError:
            self._app.call_later(self._app.exit, HUNG_UP)


class _Writer:
    """A text file to which writing always goes well: what a broken line cannot take is dropped."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._broken = False

    def write(self, text: str) -> int:
        if not self._broken:
            try:
                self._file.write(text)
            except OSError:
                self._broken = True
        return len(text)

    def flush(self) -> None:
        if not self._broken:
            try:
                self._file.flush()
            except OSError:
                self._broken = True

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()
