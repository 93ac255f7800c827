"""An endpoint follows its alias: nothing that is asked meanwhile fails, and what must not serve never does."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from runners.actions import endpoints, models
from runners.serving import standing
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage import predictions
from storage.errors import RunFailed
from storage.read import alerts as read_alerts
from storage.shed import Shed
from storage.write import models as write_models
from tests.asking import Asking
from tests.served import ENDLESS, RECORD, endpoint, model_bytes, project_with, version_of
from tests.waiting import until


def _serves(client: httpx.Client) -> int:
    return int(client.get("/health").json()["version"])


def test_swaps_and_rollbacks_under_load_fail_no_request(shed: Shed) -> None:
    first, second = version_of(shed, 0.0, alias="other"), version_of(shed, 1.0)
    models.promote(shed, "delays", "v1", override="a test")
    with endpoint(shed) as (_, client), Asking(client, {first.digest: 0.0, second.digest: 1.0}) as asking:
        for number in (2, 1, 2, 1, 2):
            models.promote(shed, "delays", f"v{number}", override="a test")
            until(lambda number=number: _serves(client) == number)  # type: ignore[misc]
        models.roll_back(shed, "delays", "a test")
        until(lambda: _serves(client) == 1)
        before = asking.answers.total()
        until(lambda: asking.answers.total() > before + 20)
    assert not asking.failed
    assert set(asking.answers) == {(1, True), (2, True)}
    assert endpoints.status(shed, "delays").swaps == 6


def test_what_must_not_serve_never_does_and_an_alert_says_why(shed: Shed, tmp_path: Path) -> None:
    version_of(shed, 0.0)
    broken = {
        "NaN": model_bytes(float("nan")), "damaged": model_bytes(3.0), "cannot load": b"not ONNX at all",
        "crashed": model_bytes(4.0), "hung": model_bytes(turns=ENDLESS),
    }  # fmt: skip
    with endpoint(shed, project_dir=project_with(tmp_path / "p", "[serve]\ntrial_s = 3\n")) as (_, client):
        for number, (said, data) in enumerate(broken.items(), start=2):
            version = version_of(shed, data=data, alias="candidate")
            if said == "damaged":
                _flip_a_bit(shed.objects.path(version.digest))
            write_models.promote(shed, version.id or 0, override="a test")  # the alias moves past every gate
            if said == "crashed":
                _kill_the_trial(shed)
            until(lambda said=said: said in endpoints.status(shed, "delays").trouble)  # type: ignore[misc]
            found = endpoints.status(shed, "delays")
            assert found.version == 1 and found.state == "serving"
            assert client.post("/predict", json=RECORD).json()["version"] == 1
            title = f"delays: {found.trouble}"
            alert = until(lambda title=title: [a for a in read_alerts.every(shed) if a.title == title])[0]  # type: ignore[misc]
            assert f"v{number} is not taken" in alert.title
            assert (alert.severity, alert.body) == ("critical", "v1 serves on")
        models.promote(shed, "delays", "v1", override="a test")
        until(lambda: not endpoints.status(shed, "delays").trouble)


def _flip_a_bit(path: Path) -> None:
    path.chmod(0o600)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def _kill_the_trial(shed: Shed) -> None:
    """As onnxruntime would, were it to crash on this model."""
    found = standing.read(shed.endpoint_dir("delays"))
    assert found is not None
    supervisor = psutil.Process(found.supervisor["pid"])

    def trial() -> psutil.Process | None:
        for each in supervisor.children():
            with suppress(psutil.Error):  # it has ended already
                if "runners.serving.trial" in each.cmdline():
                    return each
        return None

    until(trial).kill()


def test_a_model_that_cannot_serve_at_all_says_so_at_the_start(shed: Shed) -> None:
    version_of(shed, data=b"not ONNX at all")
    with pytest.raises(RunFailed, match="cannot load the model"):
        endpoints.start(shed, "delays")
    assert endpoints.status(shed, "delays").state == "stopped"


def test_a_killed_worker_comes_back_and_the_log_keeps_what_was_answered(shed: Shed) -> None:
    version_of(shed)
    with endpoint(shed) as (_, client):
        ids = {client.post("/predict", json=RECORD).json()["id"] for _ in range(50)}
        folder = shed.endpoint_dir("delays")
        until(lambda: predictions.count(folder / "log") >= 50)
        _kill(endpoints.status(shed, "delays").workers[0]["process"])
        until(lambda: _answers(client))
        assert {row["id"] for row in predictions.newest(folder / "log", 1000)} >= ids
        found = until(lambda: [w for w in endpoints.status(shed, "delays").workers if w["restarts"]])
        assert found[0]["restarts"] == 1


def test_a_killed_supervisor_interrupts_nothing_and_another_takes_over(shed: Shed) -> None:
    biases = {version_of(shed, 0.0).digest: 0.0}
    with endpoint(shed) as (_, client), Asking(client, biases) as asking:
        folder = shed.endpoint_dir("delays")
        before = standing.read(folder)
        assert before is not None
        _kill(before.supervisor)
        after = until(lambda: _another(folder, before.supervisor))
        until(lambda: not standing.is_alive(before.workers[0].process))
        biases[shed.objects.put_bytes(model_bytes(1.0))] = 1.0  # before the first answer of it
        version_of(shed, 1.0)
        until(lambda: _serves(client) == 2)
        assert after.port == before.port
    assert set(asking.failed) <= {"RemoteProtocolError"}  # a kept-alive connection was closed under a client
    assert {right for _, right in asking.answers} == {True}


def test_a_stop_answers_what_is_on_its_way_and_refuses_who_comes_later(shed: Shed) -> None:
    version = version_of(shed)
    with endpoint(shed) as (started, client), Asking(client, {version.digest: 0.0}) as asking:
        until(lambda: asking.answers.total() > 100)
        endpoints.stop(shed, started.name)
        until(lambda: asking.failed)
    assert set(asking.failed) == {"ConnectError"} and set(asking.answers) == {(1, True)}


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(shed: Shed, tmp_path: Path) -> None:
    version_of(shed)
    serve = "[serve]\nmax_rows = 8\nbatch = { max_size = 8, max_queue = 8, max_delay_ms = 300 }\n"
    with endpoint(shed, project_dir=project_with(tmp_path / "p", serve)) as (_, client):
        found: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: found.append(client.post("/predict", json=[RECORD] * 5))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        by_status = Counter(response.status_code for response in found)
        assert by_status[200] >= 1 and by_status[429] >= 1
        assert all(int(r.headers["retry-after"]) >= 1 for r in found if r.status_code == 429)
        assert client.post("/predict", json=[RECORD] * 9).status_code == 413


def test_a_client_that_never_ends_its_request_is_disconnected(shed: Shed, tmp_path: Path) -> None:
    import socket

    version_of(shed)
    with endpoint(shed, project_dir=project_with(tmp_path / "p", "[serve]\ntimeout_s = 1\n")) as (_, client):
        slow = [socket.create_connection(("127.0.0.1", client.base_url.port or 0)) for _ in range(50)]
        for connection in slow:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127")
        assert client.post("/predict", json=RECORD).status_code == 200
        for connection in slow:
            connection.settimeout(10)
            with suppress(ConnectionResetError):
                assert connection.recv(10) == b""
            connection.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.post("/predict", json=RECORD).status_code == 200
    except httpx.TransportError:
        return False


def _another(folder: Path, before: dict[str, Any]) -> standing.Standing | None:
    found = standing.read(folder)
    return found if found and found.supervisor != before and found.state == "serving" else None


def _kill(process: dict[str, Any]) -> None:
    assert processes.signal(Identity.from_json(process), signal.SIGKILL)
