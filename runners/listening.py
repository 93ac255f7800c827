"""Listening to the child: its events become notes, artifacts and messages, its metrics the run's summary."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from runners.pipeline import Context, Event
from storage import metrics
from storage.errors import ShedError
from storage.write import runs as write_runs

HEARTBEAT_SECONDS = 2.0
SHOWN_METRICS = 4


class Listener:
    """Hears one child. While it is entered, the run's heart beats: how far it is, and what its metrics came to."""

    def __init__(self, context: Context, directory: Path) -> None:
        self._context = context
        self._series = directory / "metrics"
        self._share: float | None = None
        self._text = ""
        self._latest: dict[str, float | None] = {}
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Listener:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._heart.join()
        if error is None:
            self._summarise()

    def hear(self, event: Event) -> None:
        """Take in one event of the child. Raises ShedError when it cannot be kept; it comes again then."""
        kind = event.get("event")
        if kind == "progress":
            self._share, self._text = event.get("share"), str(event.get("text") or "")
            self._tell_progress()
        elif kind == "note":
            self._note(str(event.get("text") or ""))
        elif kind == "warning":
            self._context.tell({"event": "warning", "text": str(event.get("text") or "")})
        elif kind == "artifact":
            self._keep_artifact(str(event["name"]), Path(str(event["path"])))
        elif kind == "nonfinite":
            text = f"{event.get('metric')} is {event.get('value')} at step {event.get('step')}"
            self._context.tell({"event": "warning", "text": text})
        elif kind == "stopping":
            self._context.tell({"event": "note", "text": f"stopping: {event.get('reason')}"})

    def _note(self, text: str) -> None:
        if text.strip():
            write_runs.add_note(self._context.shed, self._context.run_id, text)
            self._context.tell({"event": "note", "text": text})

    def _keep_artifact(self, name: str, path: Path) -> None:
        shed = self._context.shed
        digest = shed.objects.put_file(path)
        write_runs.add_artifact(shed, self._context.run_id, name, digest, path.stat().st_size)

    def _beat(self) -> None:
        pause = HEARTBEAT_SECONDS
        while not self._ended.wait(pause):
            began = time.monotonic()
            with suppress(ShedError):  # a full disk must not end a training that could go on; the end tells it
                self._summarise()
            pause = max(HEARTBEAT_SECONDS, 20 * (time.monotonic() - began))  # long series take longer to sum up

    def _summarise(self) -> None:
        found = {
            name: write_runs.metric_row(self._context.run_id, name, summary)
            for name, summary in metrics.last_values(self._series).items()
        }
        self._latest = {name: metric.last for name, metric in list(found.items())[:SHOWN_METRICS]}
        write_runs.progress(self._context.shed, self._context.run_id, found, self._share, self._text)

    def _tell_progress(self) -> None:
        self._context.tell(
            {
                "event": "progress",
                "stage": "train",
                "share": self._share,
                "text": self._text,
                "metrics": self._latest,
            }
        )
