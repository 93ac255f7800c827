"""`/schema`: the endpoint as OpenAPI, with the model's own columns and a record of its dataset as the example.

Litestar would describe its handlers; what a caller needs is the model, which changes while they stay.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from runners.packaging.signature import Input, Output, Signature
from runners.serving.session import Version

_SECURED: list[dict[str, list[str]]] = [{"bearer": []}]


def document(name: str, url: str, version: Version) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    signature = Signature.from_json(version.signature)
    record = _record(signature.inputs)
    prediction = _prediction(signature)
    of = {"model": {"type": "string"}, "version": {"type": "integer"}, "digest": {"type": "string"}}
    about = {"id": {"type": "string"}, **of}
    one = {"type": "object", "required": [*about, "prediction"], "properties": {**about, "prediction": prediction}}
    many = {
        "type": "object",
        "required": [*about, "predictions"],
        "properties": {**about, "predictions": {"type": "array", "items": prediction}},
    }
    columns = {
        "type": "object",
        "required": record["required"],
        "additionalProperties": False,
        "properties": {k: {"type": "array", "items": v, "minItems": 1} for k, v in record["properties"].items()},
        "description": "All lists are of one length, the number of rows: another is a 422.",
    }
    body = {
        "oneOf": [
            {"$ref": "#/components/schemas/Record"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Record"}},
            {"$ref": "#/components/schemas/Columns"},
        ]
    }
    examples = {
        "one record": {"value": version.example},
        "a list": {"value": [version.example, version.example]},
        "columns": {"value": {name: [value] for name, value in version.example.items()}},
    }
    truth = {
        "type": "object",
        "required": ["id", "truth"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9a-f]{24,40}$"},
            "truth": {"type": "number" if signature.task == "regression" else ["string", "number", "boolean"]},
            "row": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        },
    }
    taken = {"type": "object", "properties": {"taken": {"type": "integer"}, "note": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": str(version.number),
            "description": f"{version.model} v{version.number}, digest {version.digest}",
        },
        "servers": [{"url": url}],
        "paths": {
            "/predict": {
                "post": _operation(
                    "Predict one record, a list of records, or columns.",
                    {"oneOf": [one, many]},
                    body={"schema": body, "examples": examples},
                )
            },
            "/explain": {
                "post": _operation(
                    "Tell how much each column contributes to the prediction of one record.",
                    {"allOf": [{"type": "object", "required": list(of), "properties": of}, _EXPLANATION]},
                    body={"schema": {"$ref": "#/components/schemas/Record"}, "example": version.example},
                )
            },
            "/feedback": {
                "post": _operation(
                    "Tell what turned out to be true of an answered request.",
                    taken,
                    body={"schema": {"oneOf": [truth, {"type": "array", "items": truth}]}},
                )
            },
            "/health": {"get": {**_operation("Whether this endpoint serves.", {"type": "object"}), "security": []}},
            f"/v2/models/{version.model}": {"get": _operation("Open Inference: what it takes.", {"type": "object"})},
            f"/v2/models/{version.model}/infer": {
                "post": _operation(
                    "Open Inference: predict tensors.",
                    {"type": "object"},
                    body={"schema": _infer(signature.inputs), "example": _tensors(version)},
                )
            },
        },
        "components": {
            "schemas": {"Record": record, "Columns": columns, "Error": _ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": _SECURED,
    }


def page(name: str, document_: dict[str, Any]) -> bytes:
    """The same for a person with a browser: nothing is fetched from anywhere."""
    example = document_["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    record = json.dumps(example["one record"]["value"], ensure_ascii=False)
    url = document_["servers"][0]["url"]
    quoted = record.replace("'", "'\\''")
    call = f"curl -H \"Authorization: Bearer $TOKEN\" -d '{quoted}' {url}/predict"
    text = (
        f"<!doctype html><meta charset=utf-8><title>{escape(name)}</title><h1>{escape(name)}</h1>"
        f"<p>{escape(document_['info']['description'])}</p><h2>Try it</h2><pre>{escape(call)}</pre>"
        f"<h2>OpenAPI</h2><pre>{escape(json.dumps(document_, indent=1, ensure_ascii=False))}</pre>"
    )
    return text.encode()


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "field": {"type": "string"}, "row": {"type": "integer"}},
}
_NUMBER = {"type": ["number", "null"]}  # null where the model gives no finite number
_EXPLANATION: dict[str, Any] = {
    "type": "object",
    "required": ["base", "prediction", "of", "rows", "columns"],
    "properties": {
        "base": {**_NUMBER, "description": "The mean prediction over the rows of the background."},
        "prediction": {**_NUMBER, "description": "Base and all contributions together."},
        "of": {"type": "string", "description": "The output explained, or the class."},
        "rows": {"type": "integer", "description": "Rows of the background."},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["column", "value", "contribution", "standard_error"],
                "properties": {"column": {"type": "string"}, "contribution": _NUMBER, "standard_error": _NUMBER},
            },
        },
    },
}
_REFUSALS = {
    "400": "Not JSON, or not HTTP as it should be.",
    "401": "No token, or an unknown one.",
    "403": "Not for this token, or not for this web page.",
    "409": "No rows are left to compare with.",
    "413": "Too long, or too many rows.",
    "415": "Compressed.",
    "421": "Another Host.",
    "422": "A field is missing, unknown or wrongly typed; it is named.",
    "429": "The queue is full: ask again after Retry-After seconds.",
    "503": "Not ready, or no answer in time.",
}


def _operation(summary: str, answer: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
            **{status: {"description": told, "content": error} for status, told in _REFUSALS.items()},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    return operation


def _record(inputs: tuple[Input, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [given.name for given in inputs],
        "additionalProperties": False,
        "properties": {given.name: _value(given) for given in inputs},
    }


def _value(given: Input) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": [_json_type(given.onnx)]}
    if given.type == "boolean" and given.onnx not in ("BOOL", "STRING"):
        kind["type"].insert(0, "boolean")  # and the numbers that the model knows them as
    if given.onnx in ("INT64", "INT32"):
        most = 2**63 - 1 if given.onnx == "INT64" else 2**31 - 1
        kind |= {"minimum": -most, "maximum": most}
    if len(given.shape) > 2 or any(isinstance(size, int) and size != 1 for size in given.shape[1:]):
        for size in reversed(given.shape[1:]):
            kind = {"type": "array", "items": kind}
            if isinstance(size, int):
                kind |= {"minItems": size, "maxItems": size}
    elif given.null != "refused":
        kind["type"].append("null")
    if isinstance(given.categories, tuple):
        kind["description"] = "seen in training: " + ", ".join(str(value) for value in given.categories)
    return kind


def _infer(inputs: tuple[Input, ...]) -> dict[str, Any]:
    """What JSON Schema can say of a request of tensors: each input once, as itself."""
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "inputs": {
                "type": "array",
                "prefixItems": [_tensor(given) for given in inputs],
                "minItems": len(inputs),
                "maxItems": len(inputs),
                "description": "Every input once, in any order; the first size of each shape is the rows.",
            },
        },
    }


def _tensor(given: Input) -> dict[str, Any]:
    from runners.serving.openinference import DATATYPES

    sizes = [{"const": size} if isinstance(size, int) else {"type": "integer", "minimum": 1} for size in given.shape]
    element = _value(given)
    while element.get("type") == "array":
        element = element["items"]
    if given.onnx != "BOOL":
        element["type"] = [kind for kind in element["type"] if kind != "boolean"]  # a tensor is of one kind
    return {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"const": given.name},
            "shape": {"type": "array", "prefixItems": sizes, "minItems": len(sizes), "maxItems": len(sizes)},
            "datatype": {"const": DATATYPES[given.onnx]},
            "data": {
                "type": "array",
                "items": element,
                "minItems": 1,
                "description": "As many values as the shape says, row by row; nested lists are taken too, and with "
                "`binary_data_size` in `parameters` the bytes after the JSON.",
            },
        },
    }


def _prediction(signature: Signature) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [out.name for out in signature.outputs],
        "properties": {out.name: _output(out, signature) for out in signature.outputs},
    }


def _output(out: Output, signature: Signature) -> dict[str, Any]:
    if out.name == "probabilities":
        number = {"type": ["number", "null"]}
        return {"type": "object", "properties": dict.fromkeys(signature.classes, number)}
    return {"type": ["string", "null"] if out.onnx == "STRING" else ["number", "null"]}


def _json_type(onnx: str) -> str:
    return {"STRING": "string", "INT64": "integer", "INT32": "integer", "BOOL": "boolean"}.get(onnx, "number")


def _tensors(version: Version) -> dict[str, Any]:
    from runners.serving.openinference import DATATYPES

    inputs = Signature.from_json(version.signature).inputs
    return {
        "inputs": [
            {"name": given.name, "datatype": DATATYPES[given.onnx], "shape": [1, *([1] * (len(given.shape) - 1))],
             "data": [version.example[given.name]]}
            for given in inputs
        ]
    }  # fmt: skip
