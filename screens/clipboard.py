"""Where copied text can go: tmux's own buffer, or the terminal's clipboard, over SSH too."""

from __future__ import annotations

import os
import subprocess

TMUX_S = 2.0


def in_tmux() -> bool:
    return bool(os.environ.get("TMUX"))


def to_tmux(text: str) -> bool:
    """Into tmux's buffer, and on to the clipboard of the terminal outside. Returns whether tmux took it."""
    for command in (["tmux", "load-buffer", "-w", "-"], ["tmux", "load-buffer", "-"]):  # -w is of tmux 3.2
        try:
            done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=TMUX_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode == 0:
            return True
    return False


def understands_osc52() -> bool:
    """Whether the terminal may take what is copied: the kernel's console, old ones and GNU screen never do."""
    term = os.environ.get("TERM", "")
    return not (term in ("linux", "dumb", "") or term.startswith("vt") or "STY" in os.environ)
