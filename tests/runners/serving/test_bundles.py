"""A bundle answers as the model does, in a process that knows nothing of trainshed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from runners.actions import bundling
from runners.serving import ports
from storage.errors import UsageError
from storage.shed import Shed, open_shed
from tests.served import RECORD, probability, version_of
from tests.waiting import until


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    return shed


def test_the_standalone_server_answers_as_the_model_does(shed: Shed, tmp_path: Path) -> None:
    done = bundling.bundle(shed, "delays", tmp_path / "bundle")
    assert done.files == ["model.onnx", "serve.py", "signature.json"]
    code = (tmp_path / "bundle" / "serve.py").read_text()
    assert len(code.splitlines()) < 50 and "runners" not in code
    with ports.listen_anywhere() as taken:
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-I", tmp_path / "bundle" / "serve.py", str(port)], cwd="/", stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            until(lambda: _answers(client))
            other = {"distance": None, "carrier": None, "day": 1}
            found = client.post("/predict", json=[RECORD, other]).raise_for_status().json()["predictions"]
            assert [each["probability"] for each in found] == pytest.approx([probability(RECORD), probability(other)])
            one = client.post("/predict", json=RECORD).json()["prediction"]
            assert one["probability"] == pytest.approx(probability(RECORD))
            for wrong in ({**RECORD, "day": None}, {"distance": 1}, [1], 5):
                assert client.post("/predict", json=wrong).status_code == 422
    finally:
        server.terminate()
        server.wait()


def test_the_layout_of_other_servers_names_each_tensor(shed: Shed, tmp_path: Path) -> None:
    done = bundling.bundle(shed, "delays", tmp_path / "repository", layout="open-inference")
    assert done.files == ["delays/1/model.onnx", "delays/config.pbtxt"]
    text = (tmp_path / "repository" / "delays" / "config.pbtxt").read_text()
    assert 'name: "carrier" data_type: TYPE_STRING dims: [ -1, 1 ]' in text
    assert 'name: "probability" data_type: TYPE_FP32 dims: [ -1 ]' in text
    with pytest.raises(UsageError, match="is there already"):
        bundling.bundle(shed, "delays", tmp_path / "repository")
    with pytest.raises(UsageError, match='did you mean "standalone"'):
        bundling.bundle(shed, "delays", tmp_path / "other", layout="standalon")


def _answers(client: httpx.Client) -> bool:
    try:
        return client.post("/predict", json=RECORD).status_code == 200
    except httpx.TransportError:
        return False
