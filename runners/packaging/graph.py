"""The packaged model's graph: raw columns → encoding nodes → the trained graph → prediction, in one ONNX file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from runners.features.encoding import Encoding
from runners.features.matrix import constants
from runners.packaging.trained import Prediction, inputs_of, shape_of, what_it_gives, what_it_takes
from storage.errors import RunFailed
from storage.project import Task

OLDEST_OPSET, MISSING_OPSET = 9, 17
ML = "ai.onnx.ml"
OLDEST_ML, MISSING_ML = 2, 3  # the first LabelEncoder that maps between any two types
MAX_BYTES = 2**31 - 1  # what a protobuf message can hold
GIVES, TAKES, TASK, VERSION = "trainshed.gives", "trainshed.takes", "trainshed.task", "trainshed.version"


def build(encoding: Encoding | None, trained: onnx.ModelProto, task: Task, classes: Sequence[str]) -> onnx.ModelProto:
    """Merge encoding, trained model and output nodes into one checked model; equal arguments give equal bytes.

    Args:
        encoding: None for a project of kind `files`, whose model takes the tensor that the user's `load` makes.
        trained: a torch export or a user's own ONNX, with its weights loaded; it is not changed.
        classes: in the order of the model's outputs; empty for regression.

    Raises:
        RunFailed: the trained model's inputs or outputs do not fit, with what was expected.
    """
    takes = what_it_takes(trained, encoding)
    prediction = what_it_gives(trained, task, list(classes))
    names = [value.name for value in inputs_of(trained.graph)]
    names += encoding.columns if encoding else []
    inner, ours = _free_prefix("model/", names), _free_prefix("encode/", names)

    graph = onnx.GraphProto()
    graph.name = "trainshed"
    if takes == "matrix" and encoding is not None:
        (matrix,) = inputs_of(trained.graph)
        _encode(graph, encoding, ours, inner + matrix.name, matrix.type.tensor_type.elem_type)
    else:
        _pass_inputs(graph, trained.graph, inner, tensor=takes == "tensor")
    body = onnx.GraphProto()
    body.CopyFrom(trained.graph)
    _settle(body, inner)
    graph.node.extend(body.node)
    graph.initializer.extend(body.initializer)
    graph.sparse_initializer.extend(body.sparse_initializer)
    _finish(graph, prediction, inner, ours, task, classes)

    model = helper.make_model(graph, opset_imports=_opsets(trained), functions=_functions(trained))
    model.ir_version = max(trained.ir_version, 8)
    model.producer_name, model.producer_version = "trainshed", _version()
    helper.set_model_props(model, {GIVES: prediction.gives, TAKES: takes, TASK: task, VERSION: _version()})
    return _checked(model)


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    if model.ByteSize() > MAX_BYTES:
        raise RunFailed(
            f"the packaged model would have {model.ByteSize() / 2**30:.1f} GiB",
            expected="under 2 GiB, the most that one ONNX file can hold",
            todo="train a smaller model, or export it in half precision",
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
        reason = str(err).strip().partition("\n")[0]
        raise RunFailed(f"the packaged model is not valid ONNX: {reason}") from err
    return model


def _version() -> str:
    try:
        return version("trainshed")
    except PackageNotFoundError:
        return "unknown"


def _free_prefix(prefix: str, names: Iterable[str]) -> str:
    """A prefix that no raw column begins with, so that no tensor inside can be mistaken for an input."""
    names = list(names)
    while any(name.startswith(prefix) for name in names):
        prefix = "_" + prefix
    return prefix


def _add(graph: onnx.GraphProto, op: str, inputs: Sequence[str], output: str, domain: str = "", **given: Any) -> str:
    graph.node.append(helper.make_node(op, list(inputs), [output], name=f"{output}:{op}", domain=domain, **given))
    return output


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray[Any, Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _encode(graph: onnx.GraphProto, encoding: Encoding, ours: str, matrix: str, kind: int) -> None:
    """Nodes from the raw columns to the tensor `matrix`, step by step what `runners/matrix.py` does."""
    parts = []
    if encoding.numeric:
        for column in encoding.numeric:
            graph.input.append(helper.make_tensor_value_info(column.name, TensorProto.DOUBLE, ["n", 1]))
        medians, means, scales = constants(encoding.numeric)
        raw = _add(graph, "Concat", [column.name for column in encoding.numeric], f"{ours}numeric", axis=1)
        missing = _add(graph, "IsNaN", [raw], f"{ours}missing")
        known = [missing, _constant(graph, f"{ours}medians", medians), raw]
        imputed = _add(graph, "Where", known, f"{ours}imputed")
        centred = _add(graph, "Sub", [imputed, _constant(graph, f"{ours}means", means)], f"{ours}centred")
        scaled = _add(graph, "Div", [centred, _constant(graph, f"{ours}scales", scales)], f"{ours}scaled")
        parts.append(_add(graph, "Cast", [scaled], f"{ours}standardised", to=TensorProto.FLOAT))
        told = [place for place, column in enumerate(encoding.numeric) if column.has_missing]
        if told:
            places = _constant(graph, f"{ours}told", np.array(told, dtype=np.int64))
            flags = _add(graph, "Gather", [missing, places], f"{ours}flags", axis=1)
            parts.append(_add(graph, "Cast", [flags], f"{ours}flagged", to=TensorProto.FLOAT))
    for categorical in encoding.categorical:
        text = categorical.type == "text"
        elem = TensorProto.STRING if text else TensorProto.INT64
        graph.input.append(helper.make_tensor_value_info(categorical.name, elem, ["n", 1]))
        vocabulary = {
            "keys_strings" if text else "keys_int64s": list(categorical.categories),
            "values_floats": [float(code) for code in range(1, len(categorical.categories) + 1)],
            "default_float": 0.0,
        }
        code = f"{ours}code/{categorical.name}"
        parts.append(_add(graph, "LabelEncoder", [categorical.name], code, domain=ML, **vocabulary))
    if kind == TensorProto.FLOAT:
        _add(graph, "Concat", parts, matrix, axis=1)
    else:
        _add(graph, "Cast", [_add(graph, "Concat", parts, f"{ours}matrix", axis=1)], matrix, to=kind)


def _pass_inputs(graph: onnx.GraphProto, trained: onnx.GraphProto, inner: str, *, tensor: bool) -> None:
    """Hand the model's own inputs through: raw columns under their names, a lone tensor as `x`."""
    for value in inputs_of(trained):
        kind, name = value.type.tensor_type.elem_type, "x" if tensor else value.name
        outside = TensorProto.FLOAT if tensor else kind
        sizes: list[int | str | None] = ["n", *(shape_of(value) or [None, 1])[1:]]
        graph.input.append(helper.make_tensor_value_info(name, outside, sizes))
        if kind == outside:
            _add(graph, "Identity", [name], inner + value.name)
        else:
            _add(graph, "Cast", [name], inner + value.name, to=kind)


def _settle(graph: onnx.GraphProto, prefix: str) -> None:
    """Put `prefix` before every name, inner graphs included, and drop what an exporter notes: paths, times, traces."""
    for node in graph.node:
        node.name = prefix + node.name if node.name else ""
        node.input[:] = [prefix + name if name else "" for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
        _strip(node)
        for attribute in node.attribute:
            for inside in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _settle(inside, prefix)
    for value in (*graph.input, *graph.output):
        value.name = prefix + value.name
        value.doc_string = ""
        del value.metadata_props[:]
    for weight in (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)):
        weight.name = prefix + weight.name
        weight.doc_string = ""
    graph.doc_string = ""
    del graph.value_info[:], graph.quantization_annotation[:], graph.metadata_props[:]


def _strip(node: onnx.NodeProto) -> None:
    node.doc_string = ""
    del node.metadata_props[:]


def _functions(trained: onnx.ModelProto) -> list[onnx.FunctionProto]:
    functions = []
    for given in trained.functions:
        function = onnx.FunctionProto()
        function.CopyFrom(given)
        function.doc_string = ""
        del function.metadata_props[:], function.value_info[:]
        for node in function.node:
            _strip(node)
        functions.append(function)
    return functions


def _opsets(trained: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The trained model's opsets, with those that our own nodes need."""
    found = {"" if given.domain == "ai.onnx" else given.domain: given.version for given in trained.opset_import}
    if found.setdefault("", MISSING_OPSET) < OLDEST_OPSET:
        raise RunFailed(f"the model is exported for opset {found['']}", expected=f"opset {OLDEST_OPSET} or newer")
    if found.setdefault(ML, MISSING_ML) < OLDEST_ML:
        # Its LabelEncoder changed; every other operator of the first version reads the same in the third.
        if any(node.op_type == "LabelEncoder" and node.domain == ML for node in trained.graph.node):
            raise RunFailed(f"the model is exported for {ML} {found[ML]}", expected=f"{ML} {OLDEST_ML} or newer")
        found[ML] = MISSING_ML
    return [helper.make_opsetid(domain, number) for domain, number in sorted(found.items())]


def _finish(
    graph: onnx.GraphProto, prediction: Prediction, inner: str, ours: str, task: Task, classes: Sequence[str]
) -> None:
    """Nodes from what the trained model gives to the outputs of the task."""
    given = inner + prediction.name
    if prediction.type != TensorProto.FLOAT:
        given = _add(graph, "Cast", [given], f"{ours}given", to=TensorProto.FLOAT)
    if task == "multiclass":
        activation = {"op": "Softmax", "axis": 1} if prediction.gives == "logits" else {"op": "Identity"}
        _add(graph, inputs=[given], output="probabilities", **activation)
        best = _add(graph, "ArgMax", ["probabilities"], f"{ours}best", axis=1, keepdims=0)
        names = {"keys_int64s": list(range(len(classes))), "values_strings": list(classes), "default_string": ""}
        _add(graph, "LabelEncoder", [best], "label", domain=ML, **names)
        graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(classes)]))
        graph.output.append(helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]))
        return
    output = "probability" if task == "binary" else "prediction"
    flat = _constant(graph, f"{ours}flat", np.array([-1], dtype=np.int64))
    if prediction.gives == "logits":
        _add(graph, "Sigmoid", [_add(graph, "Reshape", [given, flat], f"{ours}logit")], output)
    elif prediction.width == 2:
        positive = _constant(graph, f"{ours}positive", np.array([1], dtype=np.int64))
        _add(graph, "Reshape", [_add(graph, "Gather", [given, positive], f"{ours}second", axis=1), flat], output)
    else:
        _add(graph, "Reshape", [given, flat], output)
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n"]))
