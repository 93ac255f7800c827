"""The whole loop on a service: asked under load, retrained on a new file, tried as a canary, judged by feedback."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from storage.read import alerts as read_alerts
from storage.read import models as read_models
from storage.read import triggers as read_triggers
from storage.read.triggers import FiringRow
from tests.journeys.conftest import Workstation
from tests.points import write_points
from tests.runners.alerting.sinks import http_sink
from tests.waiting import until

TRIGGERS = """
[serve]
canary = { percent = 50, minutes = 0.05, min_requests = 30, max_slower = 1000, max_shift = 0.9 }
[[trigger]]
on = "new-data"
quiet_seconds = 0.3
then = "canary"
[[trigger]]
on = "performance"
do = "notify"
every_minutes = 0.02
min_rows = 100
[alerts]
to = ["env:ALERT_URL"]
least = "info"
"""


class Asking:
    """Asks an endpoint again and again, and tells it what was true: the opposite of what it learnt, once it `lies`."""

    def __init__(self, url: str, token: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        self.failed: list[int] = []
        self.asked = 0
        self.lies = False
        self.ended = threading.Event()

    def work(self) -> None:
        rng = random.Random(3)
        while not self.ended.wait(0.002):
            a, b = rng.gauss(0, 1), rng.gauss(0, 1)
            answer = self.client.post("/predict", json={"a": a, "b": b, "kind": rng.choice("xy")})
            self.asked += 1
            if answer.status_code != 200:
                self.failed.append(answer.status_code)
                continue
            truth = (2 * a + b + rng.gauss(0, 1) > 0) != self.lies
            self.client.post("/feedback", json={"id": answer.json()["id"], "truth": int(truth)})


@contextmanager
def asking(url: str, token: str) -> Iterator[Asking]:
    found = Asking(url, token)
    thread = threading.Thread(target=found.work)
    thread.start()
    try:
        yield found
    finally:
        found.ended.set()
        thread.join()
        found.client.close()


@pytest.mark.slow
def test_a_new_file_becomes_a_canary_then_production_and_worse_feedback_is_told(
    workstation: Workstation, tiny: Path
) -> None:
    with http_sink() as sink:
        workstation.environment["ALERT_URL"] = sink.address
        path = tiny / "trainshed.toml"
        path.write_text(path.read_text().replace("by = 0.0", "by = -0.1") + TRIGGERS)
        assert workstation.batch(tiny).code == 0
        started = workstation.type("endpoints", "start", "tiny", "-p", tiny).finished
        assert workstation.type("triggers", "add", "-p", tiny).code == 0
        with asking(started["url"], started["token"]) as load:
            shed = workstation.shed
            write_points(tiny / "data" / ".two.csv", seed=2)
            (tiny / "data" / ".two.csv").rename(tiny / "data" / "two.csv")

            def ended() -> FiringRow | None:
                rows = [row for row in read_triggers.history(shed) if row.firing.run_id is not None]
                return rows[0] if rows and rows[0].firing.status == "done" else None

            row = until(ended, 120)
            assert row.firing.outcome.startswith(
                f"run {row.firing.run_id} is done, v2 is production now after its canary"
            )
            production = read_models.aliased(shed, "tiny", "production")
            assert production is not None and production.number == 2
            assert "values as production knows them" in row.firing.why
            load.lies = True
            told = until(lambda: [row for row in read_triggers.history(shed) if row.firing.decision == "notify"], 120)
            assert told[0].firing.why.startswith("v2: auroc 0.") and "measured" in told[0].firing.why
        assert load.asked > 100 and not load.failed
        shown = workstation.type("monitor", "show", "tiny", "--hours", "1")
        assert any(line["event"] == "performance" and not line["estimated"] for line in shown.lines)
        until(lambda: len(sink.taken) >= 2, 30)
        assert all(alert.delivery == "sent" for alert in until(lambda: read_alerts.every(shed)))
        workstation.type("endpoints", "stop", "tiny")
