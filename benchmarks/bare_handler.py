"""The floor of serving: a bare handler around a session. `python -m benchmarks.bare_handler MODEL PORT`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from litestar import Litestar, post

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
KINDS = {"tensor(double)": np.float64, "tensor(string)": np.object_, "tensor(int64)": np.int64}
INPUTS = [(given.name, KINDS[given.type]) for given in session.get_inputs()]


@post("/predict", status_code=200)
async def predict(data: dict[str, Any]) -> dict[str, float]:
    feeds = {name: np.array([[data[name]]], dtype=kind) for name, kind in INPUTS}
    return {"probability": float(session.run(None, feeds)[0][0])}


if __name__ == "__main__":
    app = Litestar([predict], openapi_config=None)
    uvicorn.run(app, port=int(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
