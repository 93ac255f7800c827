"""Following a run, queued or at work: the events of its pipeline and the lines of its log, until it has ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from runners.agency import starting
from runners.pipeline import Event
from runners.supervised import EVENTS
from runners.supervision import logs
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import AT_WORK, Run


def follow(shed: Shed, run_id: int, wait: Callable[[], bool], *, log_lines: int | None = 0) -> Iterator[Event]:
    """Each event of the run from its beginning, `{"event": "line", "text"}` for its log, until it ends.

    Why it waits comes as `{"event": "waiting", "text"}` whenever that changes. `wait` lets some time pass between two
    looks; it returns False when nobody listens any more. `log_lines` of the log from before, None: no log at all.
    """
    run = read_runs.run(shed, run_id)
    directory = shed.run_dir(run_id)
    events, log = _Tail(directory / EVENTS), _Tail(directory / "log")
    if log_lines:
        yield from ({"event": "line", "text": line} for line in logs.last_lines(log.path, log_lines))
    log.skip()
    why = ""
    while True:
        going_on = run.status in AT_WORK
        for line in events.lines():
            event = _parsed(line)
            if event is not None:
                yield event
        if log_lines is not None:
            yield from ({"event": "line", "text": logs.plain(line)} for line in log.lines())
        if run.status == "queued":
            starting.revive(shed)
            held = _why(shed, run)
            if held != why:
                why = held
                yield {"event": "waiting", "run": run_id, "text": held}
        if not going_on or not wait():
            return
        run = read_runs.run(shed, run_id)


def _why(shed: Shed, run: Run) -> str:
    entry = read_queue.entry(shed, run.id or 0)
    return entry.queued.held if entry is not None else ""


def _parsed(line: str) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


class _Tail:
    """Whole lines of a file as it grows. A file that became shorter (a log whose middle was taken out) goes on from its
    end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._rest = b""

    def skip(self) -> None:
        self._position = self.path.stat().st_size if self.path.exists() else 0

    def lines(self) -> list[str]:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size <= self._position:
            return []
        data = self._rest + b"".join(logs.read_log(self.path, self._position))
        self._position = size
        *whole, self._rest = data.split(b"\n")
        return [line.decode(errors="replace") for line in whole]
