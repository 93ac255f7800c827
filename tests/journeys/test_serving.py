"""From the registry to an endpoint and back, through the real door."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from runners.packaging.signature import Signature
from storage.memory import in_memory
from storage.read import models as read_models
from tests.four_doors import by_onnxruntime, by_predict, by_triton
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


@pytest.mark.slow  # its short form: test_json_binary_predict_and_the_model_itself_give_the_same_values
@pytest.mark.timeout(300)
def test_flights_get_the_same_values_by_every_door(workstation: Workstation, tmp_path: Path) -> None:
    project = tmp_path / "flights"
    few = shutil.ignore_patterns("story", "tests", "drops", "flights-2013-0[4-8]*")
    shutil.copytree(ROOT / "sample_project", project, ignore=few)
    text = (project / "trainshed.toml").read_text()
    (project / "trainshed.toml").write_text(
        text.replace("min = 0.62", "min = 0.5").replace("max_latency_ms = 5 ", "# ")
    )
    done = workstation.batch(project, "--set", "epochs=1", "--set", "members=1")
    assert done.code == 0, done.told
    shed = workstation.shed
    version = read_models.version(shed, "flight-delay", "production")
    signature = Signature.from_json(version.signature)
    raw = next(shed.root.glob("stages/*/test.parquet"))
    with in_memory() as con:
        found = con.execute(f"select * from read_parquet('{raw}') limit 4000")
        names = [column[0] for column in found.description or []]
        every = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    rows = [{given.name: row[given.name] for given in signature.inputs} for row in every]
    rows[::7] = [{**row, "carrier": None, "dest": "a place of no flights"} for row in rows[::7]]
    assert len(rows) == 4000 and sum(None in row.values() for row in rows) > 400
    wanted = by_onnxruntime(shed.objects.verify(version.digest), signature, rows)
    started = workstation.type("endpoints", "start", "flight-delay").finished
    try:
        headers = {"Authorization": f"Bearer {started['token']}"}
        with httpx.Client(base_url=started["url"], headers=headers, timeout=30) as client:
            assert by_predict(client, rows, "probability") == wanted.tolist()
        for binary in (True, False):
            answers = by_triton(started["url"], started["token"], "flight-delay", signature, rows, binary=binary)
            np.testing.assert_array_equal(answers, wanted)
    finally:
        workstation.type("endpoints", "stop", "flight-delay")


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
