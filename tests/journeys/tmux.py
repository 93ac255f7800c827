"""The app in a tmux session of its own: keys are sent, the screen is captured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.conftest import COMMAND, ROOT
from tests.waiting import until

OURS = ("COLUMNS", "LINES", "TMUX", "TMUX_PANE", "NO_COLOR")  # of the terminal that the tests run in
KEYS = {"enter": "Enter", "escape": "Escape", "space": "Space", "tab": "Tab", "ctrl+y": "C-y", "comma": ","}


class Tmux:
    """One terminal of 120 by 40. Its server answers on a socket that nobody else uses."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments]
        env = {name: value for name, value in os.environ.items() if name not in OURS}
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20, env=env).stdout

    async def press(self, *keys: str) -> None:
        for key in keys:
            self("send-keys", "-t", "app", KEYS.get(key, key))

    async def type(self, text: str) -> None:
        self("send-keys", "-t", "app", "-l", text)

    async def sees(self, *texts: str, patience: float = 60.0) -> None:
        """Wait until all these texts stand on the screen."""
        try:
            until(lambda: all(text in self.text for text in texts), patience)
        except AssertionError:
            raise AssertionError(f"{texts} cannot be seen; the screen shows\n{self.text}") from None

    @property
    def text(self) -> str:
        return self("capture-pane", "-p", "-t", "app")


@contextmanager
def terminal(folder: Path, *arguments: str | Path, environment: Mapping[str, str]) -> Iterator[Tmux]:
    """`trainshed ARGUMENTS` in tmux; a shell is there once it has ended."""
    tmux = Tmux(folder / "tmux.socket")
    words = [sys.executable, *COMMAND[1:], *map(str, arguments)]
    given = {**environment, "PYTHONPATH": str(ROOT)}
    options = [part for name, value in given.items() for part in ("-e", f"{name}={value}")]
    tmux("new-session", "-d", "-s", "app", "-x", "120", "-y", "40", *options, "sh")
    try:
        tmux("send-keys", "-t", "app", "-l", " ".join(f"'{word}'" for word in words) + "; echo left with $?")
        tmux("send-keys", "-t", "app", "Enter")
        yield tmux
    finally:
        tmux("kill-server")
