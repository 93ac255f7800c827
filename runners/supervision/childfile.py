"""RUN_DIR/child.json: which process is a run's child, so that any later process can find it again."""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runners.supervision.outcome import MemoryKills, Stopped
from runners.supervision.processes import Identity, all_pids, identify, look, marked
from storage.errors import RunFailed

NOBODY = Identity(0, 0, "")  # no process has this pid


@dataclass(frozen=True)
class Ended:
    """How the supervisor saw the child end."""

    at: float
    exit_code: int | None
    signal: int | None
    stopped: Stopped | None


@dataclass(frozen=True)
class Child:
    """One attempt at a run.

    It is written twice: before the start without an identity but with the `mark` that the child will carry in its
    environment, and again right after, so that no instant exists in which a child runs that nobody could find.
    """

    command: list[str]
    attempt: int
    log_start: int
    first_at: float
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: float = field(default_factory=time.time)
    identity: Identity | None = None
    kills_before: MemoryKills = field(default_factory=MemoryKills)
    ended: Ended | None = None
    needs_result: bool = True

    def write(self, run_dir: Path) -> None:
        """Replace RUN_DIR/child.json in one step.

        Raises:
            RunFailed: when it cannot be written.
        """
        path, fresh = run_dir / "child.json", run_dir / f".child.json.{os.getpid()}"
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(asdict(self), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as err:
            raise RunFailed(f"cannot be written: {err.strerror}", place=str(path)) from err

    @classmethod
    def read(cls, run_dir: Path) -> Child | None:
        """The last attempt in this run directory; None when there was none, or its file is damaged."""
        try:
            data: dict[str, Any] = json.loads((run_dir / "child.json").read_bytes())
            identity, ended = data.pop("identity"), data.pop("ended")
            stopped = ended.pop("stopped") if ended else None
            return cls(
                **{**data, "kills_before": MemoryKills(**data["kills_before"])},
                identity=Identity.from_json(identity) if identity else None,
                ended=Ended(**ended, stopped=Stopped(**stopped) if stopped else None) if ended else None,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def find(self) -> Identity:
        """The child's identity, also when its supervisor died before it could write it down; `NOBODY`: it is gone."""
        if self.identity is not None:
            return self.identity
        for pid in all_pids():
            seen = look(pid)
            if seen is not None and seen.session == pid and marked(pid, self.mark):
                with suppress(ProcessLookupError):
                    return identify(pid)
        return NOBODY
