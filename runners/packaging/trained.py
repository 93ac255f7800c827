"""What a trained ONNX model takes (encoded matrix, raw columns, tensor) and gives (logits, probabilities, values)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import onnx
from onnx import TensorProto

from runners.features.encoding import Encoding
from storage.errors import RunFailed, nearest
from storage.project import Task

Takes = Literal["matrix", "columns", "tensor"]
Gives = Literal["logits", "probabilities", "values"]

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
COLUMN_TYPES = (*FLOATS, TensorProto.INT64, TensorProto.STRING)
# Nodes that rearrange or select values of their first input: what came before them is still what they give.
PASSING = frozenset({"Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Identity", "Cast"})
PASSING |= {"Gather", "Slice", "Clip"}
ACTIVATIONS = ("Sigmoid", "Softmax")


@dataclass(frozen=True)
class Prediction:
    """The output that holds the prediction. `width` is its number of values a row, None when the graph does not say."""

    name: str
    gives: Gives
    type: int
    width: int | None


def inputs_of(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller must feed: old exports list the weights among them."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def shape_of(value: onnx.ValueInfoProto) -> list[int | None] | None:
    """The dimensions of a tensor, None for a free one; None alone when the rank is unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]


def what_it_takes(model: onnx.ModelProto, encoding: Encoding | None) -> Takes:
    """Tell whether a trained model takes the encoded matrix, raw columns by name, or (without an encoding) a tensor.

    Raises:
        RunFailed: it takes something else, or batches of one fixed size only.
    """
    inputs = inputs_of(model.graph)
    for value in inputs:
        shape = shape_of(value)
        if shape and shape[0] is not None:
            raise RunFailed(
                f'the model takes exactly {shape[0]} rows at a time in its input "{value.name}"',
                expected="any number of rows",
                todo="export it with a dynamic batch axis",
            )
    if encoding is None:
        if len(inputs) == 1 and inputs[0].type.tensor_type.elem_type in FLOATS:
            return "tensor"
        raise _wrong_inputs(inputs, "one float input")
    columns = encoding.columns
    if len(inputs) == 1 and inputs[0].type.tensor_type.elem_type in FLOATS:
        name, shape = inputs[0].name, shape_of(inputs[0])
        fits = shape is None or (len(shape) == 2 and shape[1] in (None, encoding.width))
        if fits and (name == "x" or name not in columns):
            return "matrix"
        if name not in columns:
            raise _wrong_inputs(inputs, f"a float matrix [n, {encoding.width}], as the encoding gives it")
    for value in inputs:
        if value.name not in columns:
            raise _wrong_inputs(
                inputs, f"one float matrix [n, {encoding.width}], or inputs named like columns", value.name, columns
            )
        _check_column(value)
    return "columns"


def _check_column(value: onnx.ValueInfoProto) -> None:
    kind, shape = value.type.tensor_type.elem_type, shape_of(value)
    if kind not in COLUMN_TYPES or (shape is not None and shape[1:] not in ([], [1])):
        raise RunFailed(
            f'the model\'s input "{value.name}" cannot be fed from a column',
            expected="float, double, int64 or string of shape [n, 1] or [n]",
        )


def _wrong_inputs(
    inputs: list[onnx.ValueInfoProto], expected: str, name: str = "", known: list[str] | None = None
) -> RunFailed:
    shown = ", ".join(f'"{value.name}" {_shown(shape_of(value))}' for value in inputs[:10])
    return RunFailed(
        f"the model's inputs cannot be fed: it takes {shown or 'nothing'}",
        expected=expected,
        todo=nearest(name, known) if name and known else "",
    )


def _shown(shape: list[int | None] | None) -> str:
    return "[?]" if shape is None else f"[{', '.join('n' if size is None else str(size) for size in shape)}]"


def what_it_gives(model: onnx.ModelProto, task: Task, classes: list[str]) -> Prediction:
    """Find the output that holds the prediction, and what its numbers mean.

    Raises:
        RunFailed: there is none, or its shape does not fit the task.
    """
    outputs = list(model.graph.output)
    if any(shape_of(value) is None for value in outputs):
        inferred = onnx.shape_inference.infer_shapes(model)
        outputs = list(inferred.graph.output)
    floats = [value for value in outputs if value.type.tensor_type.elem_type in FLOATS]
    if not floats:
        raise RunFailed(
            "the model gives no numbers, only " + ", ".join(f'"{value.name}"' for value in outputs),
            expected="probabilities" if task != "regression" else "a float output",
            todo="export it with its probabilities as a plain tensor; with skl2onnx: options={'zipmap': False}",
        )
    named = [value for value in floats if "prob" in value.name.lower()] if task != "regression" else []
    value = (named or floats)[0]
    gives: Gives = "values" if task == "regression" else "logits"
    if task != "regression" and (named or _activated(model.graph, value.name)):
        gives = "probabilities"
    shape = shape_of(value)
    width = None if shape is None or None in shape[1:] else prod(size or 0 for size in shape[1:])
    _check_width(value, task, gives, width, len(classes))
    return Prediction(value.name, gives, value.type.tensor_type.elem_type, width)


def _activated(graph: onnx.GraphProto, name: str) -> bool:
    """Whether `name` comes out of a Sigmoid or Softmax, seen through nodes that only rearrange."""
    producers: dict[str, Any] = {output: node for node in graph.node for output in node.output}
    while (node := producers.get(name)) is not None:
        if node.op_type in ACTIVATIONS:
            return True
        if node.op_type not in PASSING:
            return False
        name = node.input[0]
    return False


def _check_width(value: onnx.ValueInfoProto, task: Task, gives: Gives, width: int | None, classes: int) -> None:
    shape = shape_of(value)
    if task == "multiclass":
        expected, fits = f"[n, {classes}], one value for each class", shape is None or len(shape) == 2
        fits = fits and width in (None, classes)
    elif gives == "probabilities":
        expected, fits = "[n], [n, 1] or [n, 2]", width in (1, 2)
    else:
        expected, fits = "[n] or [n, 1]", width in (None, 1)
    if not fits:
        raise RunFailed(
            f'the model\'s output "{value.name}" has the shape {_shown(shape)}, which does not fit task = "{task}"',
            expected=expected,
        )
