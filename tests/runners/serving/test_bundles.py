"""A bundle answers as the model does, in a process that knows nothing of trainshed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx
import onnxruntime
import pytest
from google.protobuf import text_format

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


TYPES = {"tensor(double)": "TYPE_FP64", "tensor(string)": "TYPE_STRING", "tensor(int64)": "TYPE_INT64",
         "tensor(float)": "TYPE_FP32"}  # fmt: skip


def test_the_standalone_server_answers_as_the_model_does(shed: Shed, tmp_path: Path) -> None:
    done = bundling.bundle(shed, "delays", tmp_path / "bundle")
    assert done.files == ["model.onnx", "serve.py", "signature.json"]
    code = (tmp_path / "bundle" / "serve.py").read_text()
    assert len(code.splitlines()) <= 40 and "runners" not in code
    with ports.listen_anywhere() as taken:
        port = taken.getsockname()[1]
    for needed in ("numpy", "onnxruntime"):  # as in an interpreter that has nothing else
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / needed).symlink_to(Path(find_spec(needed).origin or "").parent)  # type: ignore[union-attr]
    server = subprocess.Popen(
        [sys.executable, "-S", tmp_path / "bundle" / "serve.py", str(port)],
        cwd="/", stderr=subprocess.DEVNULL, env={"PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
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
    config = _triton_config((tmp_path / "repository" / "delays" / "config.pbtxt").read_text())
    assert (config.name, config.platform, config.max_batch_size) == ("delays", "onnxruntime_onnx", 0)
    assert list(config.version_policy.specific.versions) == [1]
    kinds = config.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number
    told = [
        [(each.name, kinds[each.data_type].name, list(each.dims)) for each in part]
        for part in (config.input, config.output)
    ]
    session = onnxruntime.InferenceSession(tmp_path / "repository" / "delays" / "1" / "model.onnx")
    assert told == [
        [(each.name, TYPES[each.type], [-1, *each.shape[1:]]) for each in part]
        for part in (session.get_inputs(), session.get_outputs())
    ]
    with pytest.raises(UsageError, match="is there already"):
        bundling.bundle(shed, "delays", tmp_path / "repository")
    with pytest.raises(UsageError, match='did you mean "standalone"'):
        bundling.bundle(shed, "delays", tmp_path / "other", layout="standalon")


def _triton_config(text: str) -> Any:
    """What Triton reads in config.pbtxt, by its own protocol buffers, which come without grpc."""
    folder = find_spec("tritonclient").submodule_search_locations[0]  # type: ignore[union-attr, index]
    spec = spec_from_file_location("model_config_pb2", f"{folder}/grpc/model_config_pb2.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return text_format.Parse(text, module.ModelConfig())


def _answers(client: httpx.Client) -> bool:
    try:
        return client.post("/predict", json=RECORD).status_code == 200
    except httpx.TransportError:
        return False
