"""Models that serve in tests: three raw columns in, a probability out, and some that must never come to serve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import onnx
from onnx import TensorProto, helper

from runners.actions import endpoints
from runners.actions.endpoints import Started
from runners.agency.home import Home
from storage.shed import Shed
from storage.tables import ModelVersion
from storage.write import models as write_models
from tests.scenes import run_of

RECORD = {"distance": 500.0, "carrier": "UA", "day": 3}
SIGNATURE: dict[str, Any] = {
    "task": "binary",
    "inputs": [
        {"name": "distance", "type": "number", "onnx": "DOUBLE", "shape": ["n", 1], "null": "nan", "categories": None},
        {"name": "carrier", "type": "text", "onnx": "STRING", "shape": ["n", 1], "null": "empty",
         "categories": ["AA", "UA"]},
        {"name": "day", "type": "integer", "onnx": "INT64", "shape": ["n", 1], "null": "refused",
         "categories": [1, 2, 3]},
    ],
    "outputs": [{"name": "probability", "onnx": "FLOAT", "shape": ["n"]}],
    "classes": ["false", "true"],
    "target": "late",
}  # fmt: skip


ENDLESS = 2**62


def model_bytes(bias: float = 0.0, *, turns: int = 0, last_day: int | None = None) -> bytes:
    """sigmoid(bias + distance/1000 + place of carrier + day/10); NaN of a bias gives NaN, after `last_day` it fails.

    `turns` make it slow: 1000 take about a millisecond, `ENDLESS` never end.
    """

    days = 1 + (last_day or 0)

    def constant(name: str, value: float) -> onnx.TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, [1], [value])

    nodes = [
        helper.make_node("IsNaN", ["distance"], ["missing"]),
        helper.make_node("Where", ["missing", "zero64", "distance"], ["known"]),
        helper.make_node("Cast", ["known"], ["distance32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["distance32", "thousandth"], ["a"]),
        helper.make_node(
            "LabelEncoder", ["carrier"], ["b"], domain="ai.onnx.ml", keys_strings=["AA", "UA"],
            values_floats=[1.0, 2.0], default_float=0.0,
        ),
        helper.make_node("Cast", ["day"], ["day32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["day32", "tenth"], ["c"]),
        helper.make_node("Sum", ["a", "b", "c", *(["d"] if last_day is not None else []), "bias"], ["logit"]),
        helper.make_node("Reshape", ["logit", "flat"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probability"]),
    ]  # fmt: skip
    if last_day is not None:
        nodes.insert(0, helper.make_node("Gather", ["days", "day"], ["d"]))
    if turns:
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["v"], ["w"])],
            "body",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("go", TensorProto.BOOL, []),
             helper.make_tensor_value_info("v", TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
             helper.make_tensor_value_info("w", TensorProto.FLOAT, None)],
        )  # fmt: skip
        nodes[-2] = helper.make_node("Loop", ["many", "on", "logit"], ["looped"], body=body)
        nodes.insert(-1, helper.make_node("Reshape", ["looped", "flat"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "model",
        [
            helper.make_tensor_value_info("distance", TensorProto.DOUBLE, ["n", 1]),
            helper.make_tensor_value_info("carrier", TensorProto.STRING, ["n", 1]),
            helper.make_tensor_value_info("day", TensorProto.INT64, ["n", 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        [
            helper.make_tensor("zero64", TensorProto.DOUBLE, [1], [0.0]),
            constant("thousandth", 0.001),
            constant("tenth", 0.1),
            constant("bias", bias),
            helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
            helper.make_tensor("days", TensorProto.FLOAT, [days], [0.0] * days),
            helper.make_tensor("many", TensorProto.INT64, [], [turns]),
            helper.make_tensor("on", TensorProto.BOOL, [], [True]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def probability(record: dict[str, Any], bias: float = 0.0) -> float:
    """What the model must say."""
    import math

    place = {"AA": 1.0, "UA": 2.0}.get(record["carrier"], 0.0)
    return 1 / (1 + math.exp(-(bias + (record["distance"] or 0.0) / 1000 + place + record["day"] / 10)))


def version_of(shed: Shed, bias: float = 0.0, *, data: bytes | None = None, alias: str = "production") -> ModelVersion:
    """A version whose alias is moved there."""
    run = run_of(shed, "delays")
    assert run.id is not None
    new = write_models.NewModelVersion(
        digest=shed.objects.put_bytes(data if data is not None else model_bytes(bias)),
        run_id=run.id,
        dataset_version_id=None,
        task="binary",
        signature=SIGNATURE,
    )
    version, _ = write_models.register(shed, "delays", new)
    write_models.promote(shed, version.id or 0, alias=alias, override="a test")
    return version


@contextmanager
def endpoint(shed: Shed, **options: Any) -> Iterator[tuple[Started, httpx.Client]]:
    """A real endpoint of the model `delays`, and a client that has its token. It brings no agent to life."""
    with patch.dict(os.environ, XDG_STATE_HOME=str(shed.root / "state")):
        Home(shed).off.touch()
        started = endpoints.start(shed, "delays", **options)
        try:
            headers = {"Authorization": f"Bearer {started.token}"}
            with httpx.Client(base_url=started.url, headers=headers, timeout=20) as client:
                yield started, client
        finally:
            endpoints.stop(shed, started.name)


def project_with(folder: Path, serve: str) -> Path:
    """A project of the model with this `[serve]`."""
    folder.mkdir()
    text = '[project]\nname = "delays"\n[dataset]\nname = "d"\nfiles = "*.csv"\n[train]\nentry = "m:f"\n'
    (folder / "trainshed.toml").write_text(text + serve)
    return folder


def strict(text: str) -> Any:
    """JSON without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)
