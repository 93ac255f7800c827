"""Serve model.onnx beside this file with onnxruntime alone: `python serve.py [PORT]`, then POST a record or a list."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime

SIGNATURE = json.loads(Path(__file__).with_name("signature.json").read_text("utf-8"))
SESSION = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"), providers=["CPUExecutionProvider"])
KINDS = {"DOUBLE": "f8", "FLOAT": "f4", "FLOAT16": "f2", "INT64": "i8", "INT32": "i4", "BOOL": "?", "STRING": "O"}
NULL = {"nan": float("nan"), "empty": "", "lowest": -(2**63)}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = self.predicted(body if isinstance(body, list) else [body])
            status, told = 200, json.dumps({"predictions": rows} if isinstance(body, list) else {"prediction": rows[0]})
        except Exception as err:  # whatever it is, it was this request's
            status, told = 422, json.dumps({"error": f"{type(err).__name__}: {err}"})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(told.encode())

    def predicted(self, records: list[dict[str, float]]) -> list[dict[str, float]]:
        feeds, names = {}, [out["name"] for out in SIGNATURE["outputs"]]
        for i in SIGNATURE["inputs"]:
            cells = np.array([NULL[i["null"]] if (v := r[i["name"]]) is None else v for r in records], KINDS[i["onnx"]])
            feeds[i["name"]] = cells.reshape(cells.shape + (1,) * (len(i["shape"]) - cells.ndim))
        columns = [np.asarray(values).tolist() for values in SESSION.run(names, feeds)]
        if SIGNATURE["task"] == "multiclass":
            columns[0] = [dict(zip(SIGNATURE["classes"], row, strict=True)) for row in columns[0]]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8000), Handler).serve_forever()
