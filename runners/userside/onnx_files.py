"""An ONNX file of the user's: taken as it is, into one file."""

from __future__ import annotations

import os
import shutil
from typing import Any, Optional

from .failures import Unusable
from .packages import has, needs
from .predictions import Raw

THROUGH = ("Squeeze", "Unsqueeze", "Reshape", "Identity", "Cast", "Flatten", "Transpose", "Gather", "Slice", "Clip")


class NotOnnx(Unusable):
    """The path that the function returned is no ONNX file."""


def take(path: str, target: str) -> None:
    """Copy an ONNX file to `target`, weights that lie beside it included.

    Raises:
        NotOnnx: there is no such file, or it is not ONNX.
    """
    if not os.path.isfile(path):
        raise NotOnnx(f"the function returned the path {path!r}, and there is no such file (in {os.getcwd()})")
    if not has("onnx"):  # packaging reads it again, with our own onnx
        shutil.copyfile(path, target)
        return
    onnx = needs("onnx", "reading the model")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds
        raise NotOnnx(f"the function returned the path {path!r}, which cannot be read as ONNX: {error}") from error
    if not model.graph.output:
        raise NotOnnx(f"the function returned the path {path!r}, which is not an ONNX file")
    onnx.save(model, target)


def last_activation(path: str) -> Optional[str]:
    """Return "Sigmoid" or "Softmax" when the first output is one already (reshaped at most), None for logits or
    values."""
    graph = needs("onnx", "looking at the model").load(path, load_external_data=False).graph
    maker: dict[str, Any] = {name: node for node in graph.node for name in node.output}
    node = maker.get(graph.output[0].name)
    while node is not None and node.op_type in THROUGH:
        node = maker.get(node.input[0])
    return node.op_type if node is not None and node.op_type in ("Sigmoid", "Softmax") else None


def matrix_model(path: str, task: Optional[str]) -> tuple[Optional[Raw], Optional[str]]:
    """Return (raw(x), activation) of an ONNX file that takes one matrix of floats, as `predictions.predictor` wants
    them; (None, None) for one that takes raw columns.

    Raises:
        NotOnnx: it cannot be run, or has no output of numbers.
    """
    onnxruntime = needs("onnxruntime", "running the model")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds
        raise NotOnnx(f"the returned ONNX file cannot be run: {error}") from error
    inputs = session.get_inputs()
    numbers = [item for item in session.get_outputs() if item.type in ("tensor(float)", "tensor(double)")]
    if not numbers:
        raise NotOnnx("the returned ONNX file has no output of numbers; export probabilities (skl2onnx: zipmap=False)")
    if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(double)"):
        return None, None
    probable = [item for item in numbers if "prob" in item.name.lower()]
    chosen = (probable or numbers)[0].name
    kind = "float64" if inputs[0].type == "tensor(double)" else "float32"

    def raw(x: Any) -> Any:
        try:
            y = session.run([chosen], {inputs[0].name: x.astype(kind)})[0]
        except Exception as error:
            raise NotOnnx(f"the returned ONNX file does not take the rows of x, {list(x.shape)}: {error}") from error
        return y[:, 1] if probable and task == "binary" and y.ndim == 2 and y.shape[1] == 2 else y

    if probable:
        return raw, "Softmax" if task == "multiclass" else "Sigmoid"
    return raw, last_activation(path) if has("onnx") else None
