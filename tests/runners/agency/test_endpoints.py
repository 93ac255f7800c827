"""An endpoint that should run and does not is brought back, patiently; one that somebody stopped is not."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from runners.actions import endpoints, models
from runners.agency import endpoints as agency
from runners.agency.endpoints import Endpoints
from runners.serving import standing
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage.read import alerts as read_alerts
from storage.shed import open_shed
from storage.write import endpoints as write_endpoints
from tests.served import endpoint, version_of
from tests.waiting import until


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("GRACE_S", 0.0), ("COMING_UP_S", 0.0), ("FIRST_PAUSE_S", 0.05)):
        monkeypatch.setattr(agency, name, seconds)


def test_one_that_was_killed_in_mid_swap_comes_back_on_the_version_that_was_committed_last(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed, 0.0)
    version_of(shed, 1.0, alias="candidate")
    with endpoint(shed) as (started, client):
        before = standing.read(shed.endpoint_dir("delays"))
        assert before is not None and client.get("/health").json()["version"] == 1
        models.promote(shed, "delays", "v2", override="a test")
        for process in (before.supervisor, before.workers[0].process):
            assert processes.signal(Identity.from_json(process), signal.SIGKILL)
        looks = Endpoints(shed)
        until(lambda: looks.look() == (True, ["delays"]))
        found = until(lambda: (now := endpoints.status(shed, "delays")).state == "serving" and now)
        assert found.version == 2 and found.url == started.url
        assert looks.look() == (True, [])
        assert client.get("/health").json()["version"] == 2
    assert looks.look() == (False, [])


def test_the_pauses_grow_and_an_alert_names_who_holds_the_port(tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shed.make_dir(shed.endpoint_dir("delays"))
        write_endpoints.want(shed, "delays", "delays", "production", port, {})
        looks, started = Endpoints(shed), 0
        while started < 2:
            started += len(looks.look()[1])
        alert = until(lambda: next(iter(read_alerts.every(shed)), None))
        assert alert.severity == "critical" and f"port {port} is taken" in alert.title and "pid" in alert.title
        tried = looks._tried["delays"]
        assert tried.pause == pytest.approx(0.1)
        tried.process.wait()
