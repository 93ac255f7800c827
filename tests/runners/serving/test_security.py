"""Who may ask an endpoint, from where, and how much of it one stranger can take."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from runners.actions import endpoints
from runners.serving import adminsocket
from runners.serving.app import routes
from runners.serving.door import ADMIN, HEALTH, OWN
from runners.serving.tokens import Token, Tokens
from storage.errors import UsageError
from storage.shed import Shed, open_shed
from tests.raw_http import raw_request, raw_status
from tests.served import RECORD, endpoint, version_of
from tests.waiting import until

BAD_TOKENS = 10_000


@pytest.fixture(scope="module")
def shed(tmp_path_factory: pytest.TempPathFactory) -> Shed:
    shed = open_shed(tmp_path_factory.mktemp("security") / "shed")
    version_of(shed)
    return shed


@pytest.fixture(scope="module")
def client(shed: Shed) -> Iterator[httpx.Client]:
    with endpoint(shed, settings={"timeout_s": 2}) as (_, client):
        yield client


def _every_route() -> list[tuple[str, str]]:
    """Method and path of each registered route."""
    app = routes(SimpleNamespace(name="delays"))  # type: ignore[arg-type]
    found = []
    for route in app.routes:
        path = route.path.replace("{name:str}", "delays").replace("{version:str}", "1")
        found += [(method, path) for method in sorted(getattr(route, "methods", ())) or ["POST"]]
    return found


def test_every_registered_route_asks_for_a_token_but_health(client: httpx.Client, shed: Shed) -> None:
    secret = endpoints.create_token(shed, "delays", "least", "predict")
    with httpx.Client(base_url=client.base_url) as stranger:
        until(lambda: stranger.get("/schema", headers=_bearer(secret)).status_code == 200)
        every = _every_route()
        assert {"/predict", "/feedback", "/metrics", "/v2", "/admin/state"} <= {path for _, path in every}
        for method, path in every:
            for variant in (path, path + "/", "/" + path, path + "?token=x", path.replace("a", "%61", 1)):
                found = stranger.request(method, variant)
                open_to_all = path in HEALTH and variant != path + "/" and not variant.startswith("//")
                assert found.status_code in ((200, 204) if open_to_all else (401, 404)), (method, variant)
                assert stranger.request(method, variant, headers=_bearer("ts_wrong")).status_code != 200 or open_to_all
            if path in ADMIN or path.startswith(OWN):
                for variant in (path, path + "/", "/" + path):
                    assert stranger.get(variant, headers=_bearer(secret)).status_code in (403, 404), variant


def test_a_browser_opens_the_documentation_and_nothing_else_with_the_token_as_its_password(
    client: httpx.Client,
) -> None:
    token = client.headers["authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=client.base_url, headers={"Accept": "text/html"}) as browser:
        asked = browser.get("/schema")
        assert asked.status_code == 401 and "Basic realm=" in asked.headers["www-authenticate"]
        assert "curl" in browser.get("/schema", auth=("ana", token)).text
        for wrong in (("ana", "ts_wrong"), (token, ""), ("", "")):
            assert browser.get("/schema", auth=wrong).status_code == 401
        for header in ("Basic", "Basic !", "Basic " + "A" * 50, f"Basic {token}"):
            assert browser.get("/schema", headers={"Authorization": header}).status_code == 401
        elsewhere = browser.post("/predict", json=RECORD, auth=("ana", token))
        assert elsewhere.status_code == 401 and "Basic" not in elsewhere.headers["www-authenticate"]


def test_ten_thousand_bad_tokens_lock_nobody_out(client: httpx.Client) -> None:
    port = client.base_url.port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as answers:
        for start in range(0, BAD_TOKENS, 100):
            connection.sendall(
                b"".join(raw_request(port, f"ts_{number}", "/predict") for number in range(start, start + 100))
            )
            for _ in range(100):
                assert raw_status(answers) == 401
    assert client.post("/predict", json=RECORD).status_code == 200
    assert client.get("/metrics").text.count('outcome="unauthorized"') == 1


def test_a_token_opens_as_soon_as_it_was_created(tmp_path: Path) -> None:
    seen = Tokens(tmp_path)
    assert seen.known(b"ts_new") is None
    new = Token("new", "predict", hashlib.sha256(b"ts_new").hexdigest(), 0.0, "ana")
    Tokens(tmp_path).write([new])
    assert seen.known(b"ts_new") == new


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.write([Token("a", "predict", "ab" * 32, 0.0, "ana"), Token("b", "admin", "cd" * 32, 0.0, "bo")])
    tokens.refresh()
    assert tokens.known(bytes.fromhex("ab" * 32)) is None  # the hash itself opens nothing
    tokens.path.write_text("{")
    tokens.refresh()
    assert tokens.known(b"anything") is None


def test_a_foreign_host_or_page_is_turned_away_and_forwarded_headers_are_nothing(client: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", f"127.0.0.1:{(client.base_url.port or 0) + 1}", ""):
        assert client.post("/predict", json=RECORD, headers={"Host": host}).status_code == 421, host
    assert client.post("/predict", json=RECORD, headers={"Origin": "null"}).status_code == 403
    forged = {
        "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/health", "Forwarded": "host=localhost",
    }  # fmt: skip
    assert client.post("/predict", json=RECORD, headers=forged).status_code == 200
    assert client.post("/predict", json=RECORD, headers={**forged, "Host": "evil.example"}).status_code == 421
    assert httpx.post(f"{client.base_url}/predict", json=RECORD, headers=forged).status_code == 401


def test_the_unix_socket_is_its_users_alone_and_shows_the_worker(client: httpx.Client, shed: Shed) -> None:
    path = shed.endpoint_dir("delays") / adminsocket.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    with adminsocket.short(path) as short, httpx.Client(transport=httpx.HTTPTransport(uds=short)) as own:
        state = own.get("http://endpoint/admin/state").raise_for_status().json()
        assert (state["version"], state["draining"], state["tokens"][0]["scope"]) == (1, False, "admin")
        assert "trainshed_requests_total" in own.get("http://endpoint/metrics").text
    assert client.get("/admin/state").status_code == 403  # an admin's token does not reach it from the network


def test_a_head_without_end_and_an_answer_that_nobody_takes_are_cut_off(client: httpx.Client) -> None:
    port = client.base_url.port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, pytest.raises(OSError):
        for _ in range(1000):
            connection.sendall(b"X-A: " + b"a" * 65536)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", port))
        until(lambda: "trainshed_connections 2.0" in client.get("/metrics").text)
        token = client.headers["authorization"].removeprefix("Bearer ")
        deaf.sendall(raw_request(port, token, "/predict", json.dumps([RECORD] * 10_000).encode()) * 10)
        until(lambda: "trainshed_connections 1.0" in client.get("/metrics").text)
    assert client.post("/predict", json=RECORD).status_code == 200


def test_beyond_loopback_only_with_tls_or_behind_a_proxy(shed: Shed, tmp_path: Path) -> None:
    for settings, told in (
        ({"address": "0.0.0.0"}, "in the clear"),
        ({"address": "192.0.2.1"}, "tls_cert and tls_key, or behind_proxy"),
        ({"address": "0.0.0.0", "behind_proxy": ["10.0.0.1"]}, "needs hosts"),
        ({"address": "somewhere"}, "no IP address"),
        ({"tls_cert": "x.pem"}, "go together"),
        ({"tls_cert": str(tmp_path / "no.pem"), "tls_key": str(tmp_path / "no.key")}, "certificate cannot be used"),
        ({"address": "192.0.2.1", "behind_proxy": ["10.0.0.1"]}, "no address of this machine"),
    ):
        with pytest.raises(UsageError, match=told):
            endpoints.start(shed, "delays", name="outside", settings=settings)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_tls_and_a_proxy_that_must_have_been_asked_by_https(shed: Shed, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-nodes", "-days", "1", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    settings = {"tls_cert": str(certificate), "tls_key": str(key), "behind_proxy": ["192.0.2.7"]}
    with endpoint(shed, name="secure", settings=settings) as (started, _):
        assert started.url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=started.url, headers=_bearer(started.token), verify=trusted) as client:
            answer = client.post("/predict", json=RECORD)
            assert answer.status_code == 200, answer.text
            assert client.get("/schema").json()["servers"] == [{"url": started.url}]
            forwarded = client.post("/predict", json=RECORD, headers={"X-Forwarded-Proto": "http"})
            assert forwarded.status_code == 403
        with pytest.raises(httpx.TransportError):
            httpx.get(started.url.replace("https", "http") + "/health")


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
