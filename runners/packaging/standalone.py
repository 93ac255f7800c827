"""Serve model.onnx beside this file: `python serve.py [PORT]`, with onnxruntime and nothing else; POST it records."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
SIGNATURE = json.loads((HERE / "signature.json").read_text("utf-8"))
SESSION = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
KINDS = {"DOUBLE": "f8", "FLOAT": "f4", "FLOAT16": "f2", "INT64": "i8", "INT32": "i4", "BOOL": "?", "STRING": "O"}
NULLS = {"nan": float("nan"), "empty": "", "lowest": -(2**63)}


def predicted(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    feeds = {}
    for given in SIGNATURE["inputs"]:
        values = [record[given["name"]] for record in records]
        values = [NULLS[given["null"]] if value is None else value for value in values]
        found = np.array(values, dtype=KINDS[given["onnx"]])
        feeds[given["name"]] = found.reshape(found.shape + (1,) * (len(given["shape"]) - found.ndim))
    names = [out["name"] for out in SIGNATURE["outputs"]]
    columns = [np.asarray(values).tolist() for values in SESSION.run(names, feeds)]
    if SIGNATURE["task"] == "multiclass":
        columns[0] = [dict(zip(SIGNATURE["classes"], row, strict=True)) for row in columns[0]]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        told: dict[str, Any]
        try:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = predicted(given if isinstance(given, list) else [given])
            status, told = 200, {"predictions": found} if isinstance(given, list) else {"prediction": found[0]}
        except Exception as err:  # whatever it is, it was this request's
            status, told = 422, {"error": f"{type(err).__name__}: {err}"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8000), Handler).serve_forever()
