"""The packaged model's signature: which raw columns go in, in which form, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # an endpoint reads signatures, and needs none of these
    import onnx

    from runners.features.encoding import Encoding
    from storage.project import Task

# How a null is handed to the model: as NaN, as "", as the lowest 64-bit integer, or not at all.
Null = Literal["nan", "empty", "lowest", "refused"]
SHOWN_CATEGORIES = 50


@dataclass(frozen=True)
class Input:
    """One input: `type` as in the dataset's schema (`tensor` for a files project), `onnx` the tensor's element type.

    `shape` begins with "n", the rows. `categories` are the values seen in training where they are few, else their
    number; None for an input that is no category.
    """

    name: str
    type: str
    onnx: str
    shape: tuple[str | int | None, ...]
    null: Null
    categories: int | tuple[str | int | None, ...] | None = None


@dataclass(frozen=True)
class Output:
    """One output, `shape` begins with "n"."""

    name: str
    onnx: str
    shape: tuple[str | int | None, ...]


@dataclass(frozen=True)
class Signature:
    """What a caller of the model needs to know.

    `classes` are in the order of `probabilities`; of a binary model's two, the second is the positive one.
    """

    task: Task
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    classes: tuple[str, ...]
    target: str | None

    @property
    def prediction(self) -> str:
        """The output that holds the prediction: `probability`, `probabilities` or `prediction`."""
        return self.outputs[0].name

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "inputs": [
                {
                    "name": given.name,
                    "type": given.type,
                    "onnx": given.onnx,
                    "shape": list(given.shape),
                    "null": given.null,
                    "categories": list(given.categories) if isinstance(given.categories, tuple) else given.categories,
                }
                for given in self.inputs
            ],
            "outputs": [{"name": out.name, "onnx": out.onnx, "shape": list(out.shape)} for out in self.outputs],
            "classes": list(self.classes),
            "target": self.target,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Signature:
        inputs = []
        for given in raw["inputs"]:
            few = given.get("categories")
            few = tuple(few) if isinstance(few, list) else few
            inputs.append(Input(**{**given, "shape": tuple(given["shape"]), "categories": few}))
        outputs = tuple(Output(out["name"], out["onnx"], tuple(out["shape"])) for out in raw["outputs"])
        return cls(raw["task"], tuple(inputs), outputs, tuple(raw["classes"]), raw["target"])

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Signature:
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))


def signature_of(model: onnx.ModelProto, encoding: Encoding | None, task: Task, classes: Sequence[str]) -> Signature:
    """Describe a model that `runners.packaging.graph.build` made."""
    from runners.packaging.graph import TAKES

    takes = {entry.key: entry.value for entry in model.metadata_props}[TAKES]
    outputs = tuple(Output(out.name, _element(out), _shape(out)) for out in model.graph.output)
    if encoding is None:
        (value,) = model.graph.input
        return Signature(
            task,
            (Input(value.name, "tensor", _element(value), _shape(value), "refused"),),
            outputs,
            tuple(classes),
            None,
        )
    inputs = tuple(_input(value, encoding, encoded=takes == "matrix") for value in model.graph.input)
    return Signature(task, inputs, outputs, tuple(classes), encoding.target.name)


def _input(value: onnx.ValueInfoProto, encoding: Encoding, *, encoded: bool) -> Input:
    from runners.features.encoding import NULL_INTEGER

    element, shape = _element(value), _shape(value)
    integers: Null = "lowest" if encoded else "refused"
    null: Null = "nan" if element in ("DOUBLE", "FLOAT", "FLOAT16") else "empty" if element == "STRING" else integers
    for number in encoding.numeric:
        if number.name == value.name:
            return Input(value.name, number.type, element, shape, null)
    column = next(column for column in encoding.categorical if column.name == value.name)
    few = tuple(None if category == NULL_INTEGER else category for category in column.categories)
    categories = few if len(few) <= SHOWN_CATEGORIES else len(few)
    return Input(value.name, column.type, element, shape, null, categories)


def _element(value: onnx.ValueInfoProto) -> str:
    import onnx

    return str(onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type))


def _shape(value: onnx.ValueInfoProto) -> tuple[str | int | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims)
