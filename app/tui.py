"""`trainshed` on a terminal: the app with its views, the user's theme and keymap; no logic of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from contextlib import suppress

from textual import events
from textual._context import active_message_pump
from textual.driver import Driver
from textual.widget import Widget

from app.garbage import Collector
from app.preferences import preferences
from app.scope import Scope
from screens.line import Line
from screens.shell import Shell, wants_ascii
from storage.users import current_user

GARBAGE_S = 5.0  # between two looks whether it is worth collecting


class Trainshed(Shell):
    """The terminal UI. An error that nobody expected ends it, and is told by the command line once the terminal is
    itself again."""

    crash: Exception | None = None
    _used_at = 0.0

    def get_driver_class(self) -> type[Driver]:
        return Line

    def on_ready(self) -> None:
        if self.is_headless:
            return  # neither the process nor its terminal is its own
        collector = Collector()
        self.set_interval(GARBAGE_S, lambda: collector.look(time.monotonic() - self._used_at))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal is restored then, too
            loop.add_signal_handler(number, self.exit, 128 + number)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._used_at = time.monotonic()
        await super().on_event(event)

    def _handle_exception(self, error: Exception) -> None:
        pump = active_message_pump.get(None)
        if self._exit or (isinstance(pump, Widget) and pump._closing):
            return  # of a view that was still being built when it was left
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
