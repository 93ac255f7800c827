"""The floor of serving: a bare handler around a session. `MODEL=… python -m benchmarks.bare_handler PORT [granian]`."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
KINDS = {"tensor(double)": np.float64, "tensor(string)": np.object_, "tensor(int64)": np.int64}
INPUTS = [(given.name, KINDS[given.type]) for given in session.get_inputs()]


def answered(record: dict[str, Any]) -> dict[str, float]:
    """A record through the session."""
    feeds: dict[str, Any] = {name: np.array([[record[name]]], dtype=kind) for name, kind in INPUTS}
    return {"probability": float(session.run(None, feeds)[0][0])}


def make_app() -> Any:
    """The handler as an ASGI application."""
    from litestar import Litestar, post

    @post("/predict", status_code=200)
    async def predict(data: dict[str, Any]) -> dict[str, float]:
        return answered(data)

    return Litestar([predict], openapi_config=None)


if __name__ == "__main__":
    port = int(sys.argv[1])
    if sys.argv[2:] == ["granian"]:
        from granian import Granian

        Granian(
            "benchmarks.bare_handler:make_app", port=port, interface="asgi", factory=True, log_enabled=False
        ).serve()
    else:
        import uvicorn

        uvicorn.run(make_app(), port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")
