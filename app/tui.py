"""`trainshed` on a terminal: the app with its views, the user's theme and keymap; no logic of its own."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from contextlib import suppress

from app.preferences import preferences
from app.scope import Scope
from screens.shell import Shell, wants_ascii
from storage.users import current_user


class Trainshed(Shell):
    """The terminal UI. An error that nobody expected ends it, and is told by the command line once the terminal is
    itself again."""

    crash: Exception | None = None

    def on_ready(self) -> None:
        if self.is_headless:
            return  # neither the process nor its terminal is its own
        gc.freeze()  # what was imported stays: no looking for garbage in it while somebody types
        gc.enable()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal is restored then, too
            loop.add_signal_handler(number, self.exit, 128 + number)

    def _handle_exception(self, error: Exception) -> None:
        if self.crash is None:
            self.crash = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()


def open_tui(scope: Scope) -> int:
    """Run it until the user leaves. Returns the exit code.

    Raises:
        UsageError: when the user's own settings cannot be read.
        TrainshedError: when the shed cannot be opened.
        Exception: whatever broke it; the terminal is restored then.
    """
    own = preferences()
    app = Trainshed(
        scope.shed,
        project=scope.project_name(),
        project_dir=scope.project_dir_if_any(),
        user=current_user(),
        host=socket.gethostname(),
        theme=own.theme,
        ascii_only=wants_ascii(sys.stdout.encoding),
    )
    app.set_keymap(own.keymap)
    with suppress(KeyboardInterrupt):
        app.run()
    if app.error is not None:
        raise app.error
    if app.crash is not None:
        raise app.crash
    return app.return_value or 0
