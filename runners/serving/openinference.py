"""The Open Inference Protocol, version 2, over HTTP: JSON and binary tensors, as a stock `tritonclient` speaks it.

https://github.com/open-inference/open-inference-protocol; binary tensors are Triton's extension of it.
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from importlib.metadata import version as package_version
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from runners.packaging.signature import Input
from runners.serving.door import Receive, Scope, body_of
from runners.serving.form import ELEMENTS, INTEGERS, NULLS, UNREADABLE, Feeds, check_shape, records
from runners.serving.predicting import account, count_refusal
from runners.serving.refusals import Refused
from runners.serving.state import Current, Serving
from runners.serving.wholes import decoded, whole

DATATYPES = {
    "DOUBLE": "FP64", "FLOAT": "FP32", "FLOAT16": "FP16", "INT64": "INT64", "INT32": "INT32", "BOOL": "BOOL",
    "STRING": "BYTES",
}  # fmt: skip
JSON_LENGTH = b"inference-header-content-length"

Parameters = dict[str, Any]


class GivenTensor(msgspec.Struct):
    """An input as the request's JSON has it; its values are there, or follow the JSON as bytes."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: Parameters = {}


class WantedTensor(msgspec.Struct):
    name: str
    parameters: Parameters = {}


class InferRequest(msgspec.Struct):
    inputs: list[GivenTensor]
    id: str = ""
    outputs: list[WantedTensor] = []
    parameters: Parameters = {}


_requests = msgspec.json.Decoder(InferRequest)


def server_metadata() -> dict[str, Any]:
    return {"name": "trainshed", "version": package_version("trainshed"), "extensions": ["binary_tensor_data"]}


def model_metadata(current: Current) -> dict[str, Any]:
    signature, version = current.loaded.signature, current.loaded.version
    tensors = [
        [
            {"name": given.name, "datatype": DATATYPES[given.onnx], "shape": [_size(size) for size in given.shape]}
            for given in part
        ]
        for part in (signature.inputs, signature.outputs)
    ]
    return {
        "name": version.model,
        "versions": [str(version.number)],
        "platform": "onnxruntime_onnx",
        "inputs": tensors[0],
        "outputs": tensors[1],
    }


def named(serving: Serving, name: str, version: str | None) -> Current:
    """The version that serves, when the path means it. Raises Refused (404)."""
    current = serving.current
    if name not in (current.loaded.version.model, serving.name):
        raise Refused(404, f'no model "{name[:100]}" here, only "{current.loaded.version.model}"')
    if version is not None and version not in (str(current.number), f"v{current.number}"):
        raise Refused(404, f"version {version[:20]} is not served now, version {current.number} is")
    return current


@dataclass(frozen=True)
class Inferred:
    """An answer: JSON, and where tensors follow it as bytes, how long the JSON is."""

    body: bytes
    status: int = 200
    json_length: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


async def infer(serving: Serving, name: str, version: str | None, scope: Scope, receive: Receive) -> Inferred:
    """Answer one inference request."""
    began = time.perf_counter()
    serving.figures.add("in_flight")
    try:
        current = named(serving, name, version)
        body = await body_of(receive, serving.max_body)
        request, tail = _request(scope, body)
        feeds, n = _feeds(current, request, tail, serving.rules.max_rows)
        if serving.beside is not None and version is None:
            current = serving.beside.chosen(current, scope["headers"], feeds)
        wanted = _wanted(current, request)
        outputs = await serving.ask(current, None, feeds, n)
        request_id = scope["visit"].id = serving.request_id()
        head, tensors = _response(current, request, request_id, wanted, outputs)
        inputs = current.loaded.signature.inputs
        entries = current.loaded.entries(outputs)
        account(serving, current, request_id, began, lambda: records(feeds, inputs), entries, len(body))
        return Inferred(b"".join([head, *tensors]), json_length=len(head) if tensors else None)
    except Refused as err:
        count_refusal(serving, err)
        told = Refused(400, err.message, err.field) if err.status == 422 else err
        named_too = f'"{told.field}": {told.message}' if told.field is not None else told.message
        return Inferred(msgspec.json.encode({"error": named_too}), told.status, headers=told.headers())
    except Exception:
        serving.figures.add("failed")
        raise
    finally:
        serving.figures.add("in_flight", -1)


def _request(scope: Scope, body: bytes) -> tuple[InferRequest, bytes]:
    """The JSON of a request, and the tensors' bytes after it."""
    length = next((value for name, value in scope["headers"] if name == JSON_LENGTH), None)
    end = len(body)
    if length is not None:
        if not length.isdigit() or int(length) > len(body):
            raise Refused(400, "Inference-Header-Content-Length is not the length of a part of the body")
        end = int(length)
    try:
        return _decoded(body[:end]), body[end:]
    except UNREADABLE as err:
        raise Refused(400, f"no inference request: {str(err).replace('`', chr(34))}") from None


def _decoded(head: bytes) -> InferRequest:
    """The JSON, also with the NaN that a stock `tritonclient` writes for a missing number, and Triton takes."""
    try:
        return decoded(_requests, head)
    except msgspec.DecodeError:
        if b"NaN" not in head:
            raise
        try:
            return msgspec.convert(json.loads(head), InferRequest)
        except ValueError as err:
            raise msgspec.DecodeError(str(err)) from None


def _feeds(current: Current, request: InferRequest, tail: bytes, most: int) -> tuple[Feeds, int]:
    known = {given.name: given for given in current.loaded.signature.inputs}
    feeds: Feeds = {}
    n = None
    for tensor in request.inputs:
        given = known.get(tensor.name)
        if given is None:
            raise Refused(400, "the model has no such input", tensor.name)
        if tensor.name in feeds:
            raise Refused(400, "given twice", tensor.name)
        values, tail = _values(given, tensor, tail)
        n = len(values) if n is None else n
        if len(values) != n:
            raise Refused(400, f"{len(values)} rows, and {request.inputs[0].name} has {n}", tensor.name)
        feeds[tensor.name] = values
    for name in known:
        if name not in feeds:
            raise Refused(400, "this input is missing", name)
    if tail:
        raise Refused(400, f"{len(tail)} bytes after the last tensor")
    if not n:
        raise Refused(400, "no rows")
    if n > most:
        raise Refused(413, f"{n:,} rows, at most {most:,} in one request")
    return feeds, n


def _values(given: Input, tensor: GivenTensor, tail: bytes) -> tuple[npt.NDArray[Any], bytes]:
    """One input as an array, and the bytes that are left."""
    expected = DATATYPES[given.onnx]
    if tensor.datatype != expected:
        raise Refused(400, f"datatype {tensor.datatype[:20]}, expected {expected}", given.name)
    shape = tensor.shape
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise Refused(400, f"shape {shape[:8]}", given.name)
    count = int(np.prod(shape, dtype=object)) if shape else 1
    size = tensor.parameters.get("binary_data_size")
    if size is not None:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail):
            raise Refused(400, "binary_data_size is not the length of what follows", given.name)
        values, tail = _from_bytes(given, tail[:size], count), tail[size:]
    else:
        values = _from_json(given, tensor.data, count)
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise Refused(400, "infinite values", given.name)
    if len(given.shape) == 2 and len(shape) == 1 and given.shape[1] == 1:
        shape = [*shape, 1]
    values = values.reshape(shape)
    check_shape(given, values.shape)
    return values, tail


def _from_json(given: Input, data: Any, count: int) -> npt.NDArray[Any]:
    if not isinstance(data, list):
        raise Refused(400, "no data", given.name)
    flat = _flat(data)
    if given.onnx in INTEGERS:
        flat = [whole(value) for value in flat]
    if len(flat) != count:
        raise Refused(400, f"{len(flat)} values do not fill its shape", given.name)
    kinds: Any = {"STRING": str, "BOOL": bool, "INT64": int, "INT32": int}.get(given.onnx, (int, float))
    for value in flat:
        null = value is None and given.null != "refused"
        if not null and (not isinstance(value, kinds) or (isinstance(value, bool) and given.onnx != "BOOL")):
            raise Refused(400, f"a value is no {DATATYPES[given.onnx]}", given.name)
    if given.null in NULLS:
        flat = [NULLS[given.null] if value is None else value for value in flat]
    try:
        return np.array(flat, dtype=ELEMENTS[given.onnx])
    except OverflowError:
        raise Refused(400, f"a number is too large for {DATATYPES[given.onnx]}", given.name) from None


def _flat(data: list[Any]) -> list[Any]:
    """Nested lists, or a flat one: row-major either way."""
    for _ in range(8):
        if not data or not isinstance(data[0], list):
            return data
        if not all(isinstance(part, list) for part in data):
            return data
        data = [value for part in data for value in part]
    return data


def _from_bytes(given: Input, data: bytes, count: int) -> npt.NDArray[Any]:
    if given.onnx != "STRING":
        dtype = np.dtype(ELEMENTS[given.onnx]).newbyteorder("<")
        if len(data) != count * dtype.itemsize:
            raise Refused(400, f"{len(data)} bytes, its shape needs {count * dtype.itemsize}", given.name)
        return np.frombuffer(data, dtype=dtype)
    texts: list[str] = []
    place = 0
    try:
        while place < len(data):
            (length,) = struct.unpack_from("<I", data, place)
            place += 4 + length
            if place > len(data):
                raise Refused(400, "a text is longer than what is left", given.name)
            texts.append(data[place - length : place].decode())
    except (struct.error, UnicodeDecodeError):
        raise Refused(400, "not 4 bytes of length and UTF-8 text, one after another", given.name) from None
    if len(texts) != count:
        raise Refused(400, f"{len(texts)} texts, its shape needs {count}", given.name)
    return np.array(texts, dtype=np.object_)


def _wanted(current: Current, request: InferRequest) -> list[tuple[str, bool]]:
    """The outputs to answer with, and whether as bytes."""
    known = current.loaded.outputs
    as_bytes = request.parameters.get("binary_data_output") is True
    for tensor in request.outputs:
        if tensor.name not in known:
            raise Refused(400, f"the model has no such output, only {', '.join(known)}", tensor.name)
    if request.outputs:
        return [(tensor.name, tensor.parameters.get("binary_data", as_bytes) is True) for tensor in request.outputs]
    return [(name, as_bytes) for name in known]


def _response(
    current: Current, request: InferRequest, request_id: str, wanted: list[tuple[str, bool]], outputs: list[Any]
) -> tuple[bytes, list[bytes]]:
    """The JSON of the answer, and the tensors' bytes that follow it."""
    version = current.loaded.version
    elements = {out.name: out.onnx for out in current.loaded.signature.outputs}
    found = dict(zip(current.loaded.outputs, outputs, strict=True))
    tensors: list[bytes] = []
    told = []
    for name, as_bytes in wanted:
        values = found[name]
        tensor: dict[str, Any] = {
            "name": name, "datatype": DATATYPES[elements[name]], "shape": list(values.shape)
        }  # fmt: skip
        if as_bytes:
            data = _to_bytes(values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            tensors.append(data)
        else:
            tensor["data"] = values.reshape(-1).tolist()
        told.append(tensor)
    head = {
        "model_name": version.model,
        "model_version": str(version.number),
        "id": request.id or request_id,
        "parameters": {"request_id": request_id, "digest": version.digest},
        "outputs": told,
    }
    return msgspec.json.encode(head), tensors


def _to_bytes(values: npt.NDArray[Any]) -> bytes:
    if values.dtype.kind in "OU":
        texts = [str(value).encode() for value in values.reshape(-1)]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()


def _size(size: str | int | None) -> int:
    return size if isinstance(size, int) else -1
