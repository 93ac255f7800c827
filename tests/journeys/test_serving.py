"""From the registry to an endpoint and back, through the real door."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.journeys.conftest import ROOT, Workstation
from tests.served import RECORD, probability, version_of
from tests.waiting import until


def test_a_model_is_started_asked_looked_at_and_stopped(workstation: Workstation) -> None:
    version_of(workstation.shed)
    started = workstation.type("endpoints", "start", "delays", "--json").finished
    try:
        headers = {"Authorization": f"Bearer {started['token']}"}
        found = httpx.post(f"{started['url']}/predict", json=RECORD, headers=headers).json()
        assert abs(found["prediction"]["probability"] - probability(RECORD)) < 1e-6
        again = workstation.type("endpoints", "start", "delays", "--json").finished
        assert again["already"] and again["url"] == started["url"] and "token" not in again
        status = until(lambda: _status(workstation, 1))
        assert (status["state"], status["version"], status["alias"]) == ("serving", 1, "production")
        listed = workstation.type("endpoints", "list", "--json").lines
        assert [line["name"] for line in listed if line["event"] == "endpoint"] == ["delays"]
        assert any(
            "v1 serves" in line.get("text", "")
            for line in workstation.type("endpoints", "logs", "delays", "--json").lines
        )
    finally:
        assert workstation.type("endpoints", "stop", "delays", "--json").finished["stopped"]
    assert _status(workstation, 0)["state"] == "stopped"
    assert workstation.type("endpoints", "stop", "delays", "--json").finished["stopped"] is False
    assert workstation.type("endpoints", "status", "delay").code == 2


def test_serve_stays_in_the_foreground_until_ctrl_c(workstation: Workstation) -> None:
    version_of(workstation.shed)
    process = workstation.start("serve", "delays", "--json")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    until(lambda: _healthy(told["url"]))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert not _healthy(told["url"])


SERVE = """
[serve]
start = "auto"
canary = { percent = 50, minutes = 0.005, min_requests = 20, max_slower = 1000, max_shift = 0.9 }
"""


def test_what_the_gate_passes_starts_its_endpoint_and_the_next_one_is_its_canary_first(
    workstation: Workstation, tiny: Path
) -> None:
    (tiny / "trainshed.toml").write_text((tiny / "trainshed.toml").read_text() + SERVE)
    first = workstation.batch(tiny)
    try:
        assert first.code == 0, first.told
        assert any("v1 serves at" in line.get("text", "") for line in first.lines)
        token = workstation.type("endpoints", "tokens", "create", "tiny", "me").finished["token"]
        url = workstation.type("endpoints", "status", "tiny").finished["url"]
        second = workstation.batch(tiny, "--set", "epochs=4")
        assert second.code == 0 and "is the canary of tiny" in second.finished["reason"], second.told
        assert workstation.type("models", "promote", "tiny", "v1").finished["moved"] is False
        headers = {"Authorization": f"Bearer {token}"}
        record = {"a": 0.5, "b": 0.1, "kind": "x"}
        with httpx.Client(base_url=url, headers=headers) as client:
            until(lambda: client.post("/predict", json=record).json()["version"] == 2)
            until(lambda: client.post("/predict", json=record) and client.get("/health").json()["version"] == 2)
        shown = workstation.type("endpoints", "canary", "show", "tiny").finished
        assert (shown["verdict"], shown["second"]["version"], shown["second"]["errors"]) == ("promoted", 2, 0)
        replayed = workstation.type("models", "replay", "tiny", "--version", "v1", "--last", "50")
        assert replayed.finished["asked"] == 50 and replayed.finished["whole"]["changed"] == 0
        assert {line["column"] for line in replayed.lines if line["event"] == "slice"} == {"kind"}
    finally:
        workstation.type("endpoints", "stop", "tiny")


def test_help_and_lists_import_no_web_server() -> None:
    code = (
        "import sys; from app.cli import run; run(['--help']); import runners.actions.endpoints; "
        "print([name for name in ('litestar', 'uvicorn', 'onnxruntime', 'onnx', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_worker_imports_no_more_than_it_needs() -> None:
    code = (
        "import sys; import runners.serving.worker; "
        "print([name for name in ('app', 'screens', 'textual', 'torch', 'onnx', 'duckdb', 'sqlmodel') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def _status(workstation: Workstation, answered: int) -> dict[str, object]:
    found = workstation.type("endpoints", "status", "delays", "--json").finished
    return found if found["counters"]["answered"] >= answered else {}


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False
