"""The code trigger: a new commit of the project's repository."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from runners.triggers import policy
from runners.triggers.breaking import break_off
from runners.triggers.orders import Orders
from storage.errors import RunFailed
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Trigger
from storage.write import triggers as write_triggers

LOOK_S = 5.0


class Code:
    """Fires when the branch names another commit than when it was looked at last."""

    def __init__(self, shed: Shed, trigger: Trigger, orders: Orders) -> None:
        self.shed = shed
        self.trigger_id = trigger.id or 0
        self.orders = orders
        self.seen = ""

    def close(self) -> None:
        """Nothing is held."""

    def look(self, now: float) -> float:
        """Do what is due; returns the monotonic time at which to look again."""
        try:
            commit, title = head(self.orders.project_dir, self.orders.spec.branch)
        except RunFailed:
            return now + LOOK_S
        if commit != self.seen:
            begun = read_triggers.runs_since(self.shed, self.trigger_id, time.time() - policy.DAY_S)
            allowed = policy.verdict(self.orders.spec, begun, time.time())
            if allowed.breaks:
                break_off(self.shed, read_triggers.trigger(self.shed, self.trigger_id), allowed.why)
            if not allowed.allowed:
                return now + LOOK_S
            notice(self.shed, self.trigger_id, self.orders, commit, title, self.orders.spec.do)
            self.seen = commit
        return now + LOOK_S


def notice(shed: Shed, trigger_id: int, orders: Orders, commit: str, title: str, decision: str) -> None:
    """Write down that this commit was seen; the same one counts once."""
    where = f" on {orders.spec.branch}" if orders.spec.branch else ""
    begins = decision == "begin"
    write_triggers.notice(
        shed,
        trigger_id,
        f"commit {commit}",
        decision=decision,
        why=f"watches from commit {commit[:10]} on" if begins else f"new commit {commit[:10]}{where}: {title}",
        evidence={"commit": commit, "title": title, "branch": orders.spec.branch},
    )


def head(project_dir: Path, branch: str | None) -> tuple[str, str]:
    """The commit that a branch (default: what is checked out) names, and its title.

    Raises:
        RunFailed: where there is no repository, no such branch, or no git.
    """
    command = ["git", "-C", str(project_dir), "log", "-1", "--format=%H %s", branch or "HEAD", "--"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as err:
        raise RunFailed(f"git does not answer: {err}", place=str(project_dir)) from err
    commit, _, title = done.stdout.strip().partition(" ")
    if done.returncode != 0 or not commit:
        why = done.stderr.strip().splitlines()[-1:] or ["no commit"]
        raise RunFailed(f"no commit to watch: {why[0]}", place=str(project_dir), todo="`git init`, and commit")
    return commit, title
