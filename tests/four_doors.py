"""The same rows asked of an endpoint in every way there is, and of the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import numpy.typing as npt
import onnxruntime
import tritonclient.http as triton

from runners.packaging.signature import Input, Signature

DATATYPES = {"DOUBLE": "FP64", "FLOAT": "FP32", "INT64": "INT64", "STRING": "BYTES"}
ELEMENTS: dict[str, Any] = {"DOUBLE": np.float64, "FLOAT": np.float32, "INT64": np.int64, "STRING": np.object_}
NULLS = {"nan": float("nan"), "empty": "", "lowest": -(2**63)}

Rows = list[dict[str, Any]]
Values = npt.NDArray[Any]


def by_predict(client: httpx.Client, rows: Rows, output: str) -> list[Any]:
    """From `/predict`, the rows in one list."""
    found = client.post("/predict", json=rows).raise_for_status().json()["predictions"]
    return [each[output] for each in found]


def by_triton(url: str, token: str, model: str, signature: Signature, rows: Rows, *, binary: bool) -> Values:
    """From a stock `tritonclient`, as JSON or as binary tensors: the first output."""
    client = triton.InferenceServerClient(urlsplit(url).netloc)
    tensors = []
    for given in signature.inputs:
        values = column_of(given, rows)
        tensor = triton.InferInput(given.name, list(values.shape), DATATYPES[given.onnx])
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    output = signature.outputs[0].name
    wanted = [triton.InferRequestedOutput(output, binary_data=binary)]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return np.asarray(client.infer(model, tensors, outputs=wanted, headers=headers).as_numpy(output))


def by_onnxruntime(path: Path, signature: Signature, rows: Rows) -> Values:
    """From the packaged model itself: the first output."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {given.name: column_of(given, rows) for given in signature.inputs}
    return np.asarray(session.run([signature.outputs[0].name], feeds)[0])


def column_of(given: Input, rows: Rows) -> Values:
    """One input of all rows, nulls as the signature says that the model takes them: [n, 1]."""
    values = [NULLS[given.null] if row[given.name] is None else row[given.name] for row in rows]
    return np.array(values, dtype=ELEMENTS[given.onnx]).reshape(-1, 1)
