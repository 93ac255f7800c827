"""The `trainshed` command, typed as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

Lines = list[dict[str, Any]]
COMMAND = Path(sys.executable).with_name("trainshed")


class Terminal:
    """Commands on one shed. What they did is told by the lines of their `--json`."""

    def __init__(self, shed: Path) -> None:
        self.environment = {**os.environ, "TRAINSHED_HOME": str(shed)}

    def type(self, *words: str | Path, quietly: bool = False, expected: Container[int] = (0,)) -> Lines:
        """Type a command and wait for its end; raises SystemExit with what it told where that was not expected."""
        typed = [str(word) for word in words]
        if not quietly:
            say(f"$ trainshed {' '.join(_named(word) for word in words)}", style="2")
        done = subprocess.run([COMMAND, *typed, "--json"], env=self.environment, capture_output=True, text=True)
        if done.returncode not in expected:
            raise SystemExit(f"`trainshed {' '.join(typed)}` ended with {done.returncode}:\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def say(text: str, *, style: str = "") -> None:
    """A line for the one who watches; `style` as in an SGR sequence."""
    coloured = style and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(f"\x1b[{style}m{text}\x1b[0m" if coloured else text, flush=True)


def _named(word: str | Path) -> str:
    return word.name if isinstance(word, Path) else word
