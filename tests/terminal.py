"""A program in a pseudo-terminal of its own: what it writes, byte by byte, and what a person would see of it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

TRAINSHED = (sys.executable, "-m", "app.cli")
PATIENCE_S = 60.0


class Terminal:
    """`sent` is every byte so far; `text` what they come to on a screen."""

    def __init__(self, pid: int, master: int, size: tuple[int, int]) -> None:
        self.pid = pid
        self.sent = b""
        self._master = master
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0

    def read(self, wait_s: float = 0.05) -> bytes:
        """What comes within `wait_s`, or as soon as anything has come; empty at the end and where nothing came."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return b""
        try:
            told = os.read(self._master, 1 << 16)
        except OSError:
            return b""
        self.sent += told
        return told

    def quiet(self, seconds: float) -> bytes:
        """Everything that comes within so many seconds."""
        before, deadline = len(self.sent), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.read(left)
        return self.sent[before:]

    def until(self, *wanted: str) -> None:
        """Read until all these texts stand on the screen."""
        self.until_true(lambda: all(text in self.text for text in wanted))

    def until_true(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{condition} is not so; the screen shows\n{self.text}")
            self.read()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, width: int, height: int) -> None:
        self._screen.resize(height, width)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def hang_up(self) -> None:
        """The line breaks, as when SSH drops."""
        os.close(self._master)
        self._master = -1

    @property
    def lines(self) -> list[str]:
        self._feed()
        return list(self._screen.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """Its column and line."""
        self._feed()
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def _feed(self) -> None:
        self._stream.feed(self.sent[self._fed :])
        self._fed = len(self.sent)

    def ended(self) -> int:
        """Wait for its end; its exit code, or minus the signal."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if self._master >= 0:
                self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self._master >= 0 and self.read():
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                raise AssertionError(f"it goes on; the screen shows\n{self.text}")

    def close(self) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._master >= 0:
            os.close(self._master)


@contextmanager
def terminal(
    command: Sequence[str], *, size: tuple[int, int] = (80, 24), env: Mapping[str, str] | None = None, cwd: Path
) -> Iterator[Terminal]:
    """Start a command in a terminal; it is killed at the end if it has not ended by itself."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        told = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # of the terminal that the tests run in
            told.pop(name, None)
        os.execvpe(command[0], list(command), told)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    opened = Terminal(pid, master, size)
    try:
        yield opened
    finally:
        opened.close()
