"""A kill -9 of a worker loses what it answered in the last moment at most."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx

from runners.actions import endpoints
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage import predictions
from storage.shed import open_shed
from tests.served import RECORD, endpoint, version_of
from tests.waiting import until

LOST_S = 0.25


def test_the_log_holds_every_answered_request_but_the_last_moment(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    answered: list[tuple[float, str]] = []
    ended = threading.Event()

    def ask(client: httpx.Client) -> None:
        while not ended.is_set():
            try:
                found = client.post("/predict", json=RECORD).raise_for_status().json()
            except httpx.HTTPError:
                return
            answered.append((time.monotonic(), found["id"]))

    with endpoint(shed) as (_, client):
        folder = shed.endpoint_dir("delays") / "log"
        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        until(lambda: len(answered) > 300)
        worker = endpoints.status(shed, "delays").workers[0]["process"]
        killed_at = time.monotonic()
        assert processes.signal(Identity.from_json(worker), signal.SIGKILL)
        ended.set()
        asking.join()
        wanted = {name for at, name in answered if at < killed_at - LOST_S}
        logged = {row["id"] for row in predictions.newest(folder, 10_000)}
    assert len(wanted) > 50 and wanted <= logged
