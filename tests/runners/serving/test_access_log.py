"""Every request leaves a line, whoever sent it and however it was answered, and is counted by its route."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from runners.actions import endpoint_logs, endpoints
from runners.serving import accesslog
from runners.serving.accesslog import AccessLog, RotatedFile, shown_path
from runners.serving.app import make_app, routes
from runners.serving.figures import Figures
from runners.serving.paths import OTHER, ROUTES, place_of
from runners.serving.state import Serving
from runners.supervision.tailing import Tail
from storage.accesses import Access
from storage.serve_section import ServeSection
from storage.shed import Shed, open_shed
from tests.served import RECORD, endpoint, version_of
from tests.waiting import until

TIGHT = {"max_rows": 8, "batch": {"max_size": 8, "max_queue": 8, "max_delay_ms": 300}, "max_body_mb": 0.01}
HOSTILE = "/%1b]52;c;aGk=%07/%e2%80%ae[/@click=app.quit]"


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory) -> Shed:
    shed = open_shed(tmp_path_factory.mktemp("access") / "shed")
    version_of(shed)
    return shed


@pytest.fixture(scope="module")
def client(shed: Shed) -> Iterator[httpx.Client]:
    with endpoint(shed, settings=TIGHT) as (_, client):
        yield client


def _asked(shed: Shed, count: int) -> list[Access]:
    """The newest requests, once so many are written."""

    def every() -> list[Access]:
        found = endpoint_logs.accesses(shed, "delays", count)
        return found if len(found) == count else []

    return until(every)


def test_a_line_tells_who_asked_what_and_how_it_was_answered_but_no_secret(client: httpx.Client, shed: Shed) -> None:
    secret = endpoints.create_token(shed, "delays", "app", "predict")
    mine = {"Authorization": f"Bearer {secret}"}
    answered = client.post("/predict?api_key=hunter2", json=RECORD, headers=mine)
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": kind, "data": [RECORD[name]]}
        for name, kind in (("distance", "FP64"), ("carrier", "BYTES"), ("day", "INT64"))
    ]
    inferred = client.post("/v2/models/delays/infer", json={"inputs": inputs})
    with httpx.Client(base_url=client.base_url) as stranger:
        statuses = [
            stranger.post("/predict", json=RECORD, headers={"Authorization": "Bearer ts_guess"}).status_code,
            stranger.get("/metrics", headers=mine).status_code,
            stranger.get(HOSTILE, headers=mine).status_code,
            stranger.get(f"/{secret}", headers=mine).status_code,
            stranger.post("/predict", json=[RECORD] * 300, headers=mine).status_code,
            stranger.post("/predict", json={"distance": 1.0}, headers=mine).status_code,
        ]
        assert statuses == [401, 403, 404, 404, 413, 422]
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as wild:
        wild.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert wild.recv(100).startswith(b"HTTP/1.1 400")
    found = _asked(shed, 9)
    assert [(each.status, each.token) for each in found] == [
        (200, "app"), (200, "default"), (401, ""), (403, "app"), (404, "app"), (404, "app"), (413, ""), (422, "app"),
        (400, ""),
    ]  # fmt: skip
    first = found[0]
    assert (first.method, first.path, first.remote) == ("POST", "/predict", "127.0.0.1")
    assert first.id == answered.json()["id"] and first.bytes == len(answered.content) and 0 < first.ms < 20_000
    assert found[1].path == "/v2/models/delays/infer"
    assert found[1].id == inferred.json()["parameters"]["request_id"]
    written = b"".join(path.read_bytes() for path in shed.endpoint_dir("delays").glob("access-*.jsonl"))
    assert written.isascii() and written.replace(b"\n", b"").decode().isprintable()
    assert not any(word in written for word in (secret.encode(), b"hunter2", b"ts_guess", b"UA"))


def test_one_that_is_turned_away_for_a_full_queue_leaves_a_line_too(client: httpx.Client, shed: Shed) -> None:
    threads = [threading.Thread(target=client.post, args=("/predict",), kwargs={"json": [RECORD] * 5}) for _ in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: 429 in {each.status for each in endpoint_logs.accesses(shed, "delays", 100)})


def test_metrics_count_answers_and_their_latency_by_route_and_by_nothing_that_was_asked(client: httpx.Client) -> None:
    before = _samples(client)
    for number in range(5):
        assert client.get(f"/v2/models/none{number}").status_code == 404
        assert client.get(f"/nowhere/{number}").status_code == 404
    assert client.get("/v2/models/delays").status_code == 200
    after = _samples(client)

    def more(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    requests, seconds = "trainshed_http_requests_total", "trainshed_http_request_seconds"
    assert more(requests, route="/v2/models/{name}", status="4xx") == 5
    assert more(requests, route="/v2/models/{name}", status="2xx") == 1
    assert more(requests, route="other", status="4xx") == 5
    assert more(f"{seconds}_count", route="other") == more(f"{seconds}_bucket", route="other", le="+Inf") == 5
    assert more(f"{seconds}_sum", route="other") > 0
    assert {dict(labels).get("route", "other") for _, labels in after} <= set(ROUTES)


def test_every_registered_route_has_its_own_figures() -> None:
    app = routes(SimpleNamespace(name="delays"))  # type: ignore[arg-type]
    registered = {route.path.replace(":str", "") for route in app.routes}
    assert registered == set(ROUTES[:OTHER])
    for place, route in enumerate(ROUTES[:OTHER]):
        assert place_of(route.replace("{name}", "a%2fb").replace("{version}", "7")) == place
    for path in ("/", "", "/Predict", "/v2/models", "/v2/models/a/b", "/v2/models/a/versions/1/infer/x", "*"):
        assert place_of(path) == OTHER


def _samples(client: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def _access(number: int, path: str = "/predict") -> Access:
    return Access(float(number), "127.0.0.1", "POST", path, 200, 10, 1.0, f"{number:024x}", "app")


def test_the_files_of_a_worker_are_bounded_and_followed_across_their_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    monkeypatch.setattr(accesslog, "FLUSH_S", 60.0)
    most = 8000
    with endpoint(shed):
        pass
    folder = shed.endpoint_dir("delays")
    log = AccessLog(folder, 0, most, Figures(folder / "worker-0.figures"))
    wanted = iter(range(10, 200))
    told: list[int] = []

    def wait() -> bool:
        for number in [number for _, number in zip(range(5), wanted, strict=False)]:
            log.add(_access(number))
            log._flush()
        return len(told) < 190

    for each in endpoint_logs.follow_accesses(shed, "delays", 0, wait):
        told.append(int(each.id, 16))
    log.close()
    assert told == list(range(10, 200))
    files = sorted(folder.glob("access-0*.jsonl"))
    assert len(files) == accesslog.FILES and sum(path.stat().st_size for path in files) <= most
    newest = endpoint_logs.accesses(shed, "delays", 30)  # more than one file holds
    assert [int(each.id, 16) for each in newest] == list(range(170, 200))


def test_a_full_disk_loses_lines_that_are_counted_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = Figures(tmp_path / "worker-0.figures")
    log = AccessLog(tmp_path, 0, 1 << 20, figures)
    write = os.write
    full = [True]

    def short(fd: int, data: bytes) -> int:
        if full[0] and b'"/predict"' in data:
            write(fd, data[:10])
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", short)
    log.add(_access(1))
    log.add(_access(2))
    log._flush()
    assert figures.get("access_dropped") == 2
    full[0] = False
    log.add(_access(3))
    log.close()
    torn, whole = (tmp_path / "access-0.jsonl").read_bytes().splitlines()
    assert len(torn) == 10 and json.loads(whole)["id"] == f"{3:024x}"


def test_memory_is_bounded_and_nothing_is_kept_where_nothing_shall_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accesslog, "BUFFER_BYTES", 1000)
    monkeypatch.setattr(accesslog, "FLUSH_S", 60.0)
    figures = Figures(tmp_path / "worker-0.figures")
    log = AccessLog(tmp_path, 0, 1 << 20, figures)
    for number in range(100):
        log.add(_access(number))
    log.close()
    kept = len((tmp_path / "access-0.jsonl").read_bytes().splitlines())
    assert figures.get("access_dropped") == 100 - kept > 80
    none = AccessLog(tmp_path, 1, 0, figures)
    none.add(_access(1))
    none.close()
    assert not (tmp_path / "access-1.jsonl").exists()


def test_a_line_that_a_kill_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "access-0.jsonl"
    path.write_bytes(b'{"at":1.0,"rem')
    file = RotatedFile(path, 1 << 20)
    file.append(b"{}\n")
    file.close()
    assert path.read_bytes() == b'{"at":1.0,"rem\n{}\n'


def test_of_two_that_hold_a_file_only_the_first_puts_it_aside(tmp_path: Path) -> None:
    path = tmp_path / "access-0.jsonl"
    old, new = RotatedFile(path, 20), RotatedFile(path, 20)
    old.append(b"of the old one\n")
    new.append(b"few\n")
    old.append(b"old again\n")
    new.append(b"new again\n")
    assert accesslog.aside(path, 1).read_bytes() == b"of the old one\nfew\n"
    assert path.read_bytes() == b"old again\nnew again\n"


def test_a_tail_begins_at_the_end_unless_the_file_is_new(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"before\nhal")
    tail, other = Tail(old), Tail(new)
    with old.open("ab") as file:
        file.write(b"f\nafter\nnot yet")
    new.write_bytes(b"first\n")
    assert (tail.lines(), other.lines()) == ([b"f", b"after"], [b"first"])
    old.rename(tmp_path / "aside")
    with (tmp_path / "aside").open("ab") as file:
        file.write(b" whole\n")
    old.write_bytes(b"anew\n")
    assert tail.lines() == [b"not yet whole", b"anew"]


def test_a_path_is_kept_so_that_no_terminal_obeys_it() -> None:
    assert shown_path("/predict") == "/predict"
    assert shown_path("/v2/models/a-b/infer") == "/v2/models/a-b/infer"
    assert shown_path('/\x1b[31m"[/]\u202e\n') == "/%1B%5B31m%22%5B/%5D%E2%80%AE%0A"
    assert len(shown_path("/" + "x" * 60_000)) == accesslog.LONGEST_PATH


class Exchange:
    """A request as a server has it: it holds the scope, and what is sent goes to it."""

    def __init__(self, path: str) -> None:
        headers = [(b"host", b"127.0.0.1:8123")]
        self.scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": ("127.0.0.1", 1)}
        self.scope |= {"query_string": b"", "root_path": "", "http_version": "1.1", "server": ("127.0.0.1", 8123)}
        self.status = 0

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)


@pytest.mark.parametrize(("path", "status"), [("/health", 503), ("/metrics", 401)])
def test_a_request_leaves_nothing_to_the_garbage_collector(tmp_path: Path, path: str, status: int) -> None:
    """Which would stop all others for milliseconds, some times a second under load."""
    (tmp_path / "log").mkdir()
    serving = Serving("delays", tmp_path, ServeSection(), 8123, 0)
    door, exchange = make_app(serving), Exchange(path)
    try:
        gc.disable()
        asyncio.run(door(exchange.scope, exchange.receive, exchange.send))
        assert exchange.status == status
        left = weakref.ref(exchange)
        del exchange
        assert left() is None
    finally:
        gc.enable()
        serving.log.close()
        serving.access.close()
