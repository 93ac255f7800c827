"""The packaged graph: raw columns in, predictions out, with the same bits as preparation and training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from runners.features import encoding
from runners.features.encoding import CategoricalColumn, Encoding, NumericColumn
from runners.features.matrix import write_arrays
from runners.features.targets import Target
from runners.packaging.graph import build
from runners.packaging.scoring import feeds_from
from runners.packaging.signature import Signature, signature_of
from storage.columns import identifier, literal
from storage.errors import RunFailed
from storage.project import FeaturesSection, Task

TWO_NUMBERS = Encoding(
    (NumericColumn("a", "number", 1.0, 2.0, 4.0, True), NumericColumn("b", "integer", 5.0, 5.0, 0.0, False)),
    (CategoricalColumn("c c", "text", ("", "x", "é")), CategoricalColumn("d", "integer", (-1, 3))),
    Target("y", "boolean", "binary", ("false", "true")),
)
RAW = {
    "a": np.array([[6.0], [np.nan]]),
    "b": np.array([[9.0], [5.0]]),
    "c c": np.array([["é"], ["unseen"]], dtype=object),
    "d": np.array([[3], [-(2**63)]]),
}
MATRIX = [[1.0, 0.0, 0.0, 3.0, 2.0], [-0.25, 0.0, 1.0, 0.0, 0.0]]


def model(
    *nodes: onnx.NodeProto,
    takes: Any = None,
    gives: Any = None,
    weights: dict[str, Any] | None = None,
    opset: int = 18,
    **more: Any,
) -> onnx.ModelProto:
    """A trained model by hand: x [n, 5] → y [n, 1] unless told otherwise."""
    takes = takes or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 5])]
    gives = gives or [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])]
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "g", takes, gives, stored)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def summing(*after: onnx.NodeProto, **more: Any) -> onnx.ModelProto:
    """The weighted sum of a row, called `s`, and what comes `after` it."""
    node = helper.make_node("MatMul", ["x", "w"], ["s" if after else "y"])
    return model(node, *after, weights={"w": np.array([[1], [1], [1], [0.5], [0.25]], np.float32)}, **more)


def run(packaged: onnx.ModelProto, feeds: dict[str, Any], output: str | None = None) -> Any:
    session = onnxruntime.InferenceSession(packaged.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([output] if output else None, feeds)[0]


def matrix_of(fitted: Encoding, feeds: dict[str, Any]) -> Any:
    """What the encoding nodes alone make of raw inputs."""
    return run(passing_through(fitted), feeds, "probabilities")


def passing_through(fitted: Encoding) -> onnx.ModelProto:
    """A packaged model that gives back its matrix, as if it were probabilities."""
    through = model(
        helper.make_node("Identity", ["x"], ["prob"]),
        takes=[value_info("x", ["n", fitted.width])],
        gives=[value_info("prob", ["n", fitted.width])],
    )
    return build(fitted, through, "multiclass", [str(place) for place in range(fitted.width)])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_the_encoding_nodes_impute_scale_flag_and_look_up() -> None:
    assert matrix_of(TWO_NUMBERS, RAW).tolist() == MATRIX


def test_a_binary_model_gets_a_sigmoid_and_gives_one_probability_a_row() -> None:
    packaged = build(TWO_NUMBERS, summing(), "binary", ["false", "true"])
    expected = [sigmoid(1 + 1.5 + 0.5), sigmoid(-0.25 + 1)]
    assert run(packaged, RAW).tolist() == pytest.approx(expected, abs=1e-6)
    assert [out.name for out in packaged.graph.output] == ["probability"]
    props = {entry.key: entry.value for entry in packaged.metadata_props}
    assert (props["trainshed.task"], props["trainshed.gives"], props["trainshed.takes"]) == (
        "binary",
        "logits",
        "matrix",
    )


@pytest.mark.parametrize(
    "after",
    [
        [helper.make_node("Sigmoid", ["s"], ["y"])],
        [helper.make_node("Sigmoid", ["s"], ["p"]), helper.make_node("Squeeze", ["p", "one"], ["y"])],
        [
            helper.make_node("Sigmoid", ["s"], ["p"]),
            helper.make_node("Identity", ["p"], ["q"]),
            helper.make_node("Cast", ["q"], ["r"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["r"], ["y"]),
        ],
    ],
    ids=["at the end", "before a squeeze", "before three others"],
)
def test_a_sigmoid_that_is_there_already_is_not_applied_twice(after: list[onnx.NodeProto]) -> None:
    trained = summing(*after, **({} if len(after) != 2 else {"gives": [value_info("y", ["batch"])]}))
    trained.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    packaged = build(TWO_NUMBERS, trained, "binary", ["false", "true"])
    assert run(packaged, RAW).tolist() == pytest.approx([sigmoid(3), sigmoid(0.75)], abs=1e-6)


def value_info(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def classes_from_x(*after: onnx.NodeProto, output: str = "y", **more: Any) -> onnx.ModelProto:
    """Three logits: the first three columns of the matrix."""
    first = helper.make_node("Gather", ["x", "places"], ["s" if after else output], axis=1)
    gives = more.pop("gives", [value_info(output, ["batch", 3])])
    return model(first, *after, gives=gives, weights={"places": np.array([0, 1, 2])}, **more)


@pytest.mark.parametrize("after", [[], [helper.make_node("Softmax", ["s"], ["y"], axis=1)]], ids=["logits", "softmax"])
def test_a_multiclass_model_gives_probabilities_and_the_label(after: list[onnx.NodeProto]) -> None:
    packaged = build(TWO_NUMBERS, classes_from_x(*after), "multiclass", ["néant", "b", "c"])
    powers = np.exp(np.array(MATRIX)[:, :3])
    assert run(packaged, RAW, "probabilities") == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-6)
    assert run(packaged, RAW, "label").tolist() == ["néant", "c"]


def test_a_regression_gives_the_value_itself_from_doubles_too() -> None:
    trained = model(
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        takes=[value_info("x", ["batch", 5], TensorProto.DOUBLE)],
        gives=[value_info("y", ["batch", 1], TensorProto.DOUBLE)],
        weights={"w": np.ones((5, 1))},
    )
    packaged = build(TWO_NUMBERS, trained, "regression", [])
    found = run(packaged, RAW, "prediction")
    assert (found.dtype, found.tolist()) == (np.float32, [6.0, 0.75])


@pytest.mark.parametrize("opset", [11, 13, 17, 22])
def test_our_nodes_join_any_usual_opset(opset: int) -> None:
    packaged = build(TWO_NUMBERS, classes_from_x(opset=opset), "multiclass", ["a", "b", "c"])
    assert {entry.domain: entry.version for entry in packaged.opset_import} == {"": opset, "ai.onnx.ml": 3}
    assert run(packaged, RAW, "label").tolist() == ["a", "c"]


def test_names_inside_the_model_never_meet_the_names_of_columns() -> None:
    names = ("x", "s", "model/s", "w")
    columns = tuple(NumericColumn(name, "number", 0.0, 0.0, 1.0, False) for name in names)
    fitted = Encoding((*columns, NumericColumn("encode/missing", "number", 0, 0, 1, False)), (), TWO_NUMBERS.target)
    trained = summing(helper.make_node("Identity", ["s"], ["y"]))
    packaged = build(fitted, trained, "regression", [])
    feeds = {name: np.array([[value]]) for name, value in zip(fitted.columns, (1.0, 2.0, 3.0, 4.0, 8.0), strict=True)}
    assert run(packaged, feeds).tolist() == [10.0]


def test_branches_that_read_outer_weights_survive_the_renaming() -> None:
    def branch(name: str, op: str) -> onnx.GraphProto:
        return helper.make_graph(
            [helper.make_node(op, ["total", "w"], [f"{name}_out"])], name, [], [value_info(f"{name}_out", ["batch", 1])]
        )

    trained = model(
        helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=1),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch("then", "Mul"), else_branch=branch("else", "Add")),
        weights={"axis": np.array([1]), "w": np.array([[10.0]], np.float32), "yes": np.array(True)},
    )
    assert run(build(TWO_NUMBERS, trained, "regression", []), RAW).tolist() == [60.0, 7.5]


def test_old_exports_that_list_weights_among_the_inputs_work() -> None:
    trained = summing(takes=[value_info("x", ["batch", 5]), value_info("w", [5, 1])])
    assert run(build(TWO_NUMBERS, trained, "regression", []), RAW).tolist() == [3.0, 0.75]


def test_equal_models_give_equal_bytes_and_no_trace_of_the_exporter() -> None:
    def packaged(note: str) -> bytes:
        trained = summing(doc_string=note, producer_name=note)
        trained.graph.doc_string = note
        trained.graph.node[0].doc_string = note
        trained.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f"File /home/{note}/train.py")
        trained.graph.value_info.append(value_info(note, [1]))
        helper.set_model_props(trained, {"made_on": note})
        return build(TWO_NUMBERS, trained, "binary", ["false", "true"]).SerializeToString(deterministic=True)

    assert packaged("ana") == packaged("bo")
    assert b"ana" not in packaged("ana")


def test_building_does_not_change_the_trained_model() -> None:
    trained = summing()
    before = trained.SerializeToString(deterministic=True)
    build(TWO_NUMBERS, trained, "binary", ["false", "true"])
    assert trained.SerializeToString(deterministic=True) == before


def test_a_files_model_takes_its_tensor_as_x() -> None:
    trained = model(
        helper.make_node("Flatten", ["image"], ["f"]),
        helper.make_node("Gather", ["f", "places"], ["y"], axis=1),
        takes=[value_info("image", ["batch", 2, 2])],
        gives=[value_info("y", ["batch", 2])],
        weights={"places": np.array([0, 3])},
    )
    packaged = build(None, trained, "multiclass", ["cat", "dog"])
    assert run(packaged, {"x": np.array([[[1, 0], [0, 5]]], np.float32)}, "label").tolist() == ["dog"]
    signature = signature_of(packaged, None, "multiclass", ["cat", "dog"])
    assert (signature.inputs[0].name, signature.inputs[0].type, signature.inputs[0].shape) == (
        "x",
        "tensor",
        ("n", 2, 2),
    )


@pytest.mark.parametrize(
    ("trained", "task", "said"),
    [
        (summing(takes=[value_info("x", [1, 5])]), "binary", "exactly 1 rows at a time"),
        (summing(takes=[value_info("x", ["batch", 7])]), "binary", r'it takes "x" \[n, 7\]'),
        (summing(takes=[value_info("ids", ["batch", 5], TensorProto.INT64)]), "binary", "one float matrix"),
        (classes_from_x(), "binary", r"shape \[n, 3\], which does not fit task = \"binary\""),
        (classes_from_x(), "regression", "expected: "),
        (summing(), "multiclass", r"expected: \[n, 2\], one value for each class"),
        (
            model(helper.make_node("ArgMax", ["x"], ["label"], axis=1), gives=[value_info("label", ["n", 1], 7)]),
            "binary",
            "zipmap",
        ),
        (summing(opset=8), "binary", "exported for opset 8"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused_with_what_was_expected(
    trained: onnx.ModelProto, task: Task, said: str
) -> None:
    with pytest.raises(RunFailed, match=said):
        build(TWO_NUMBERS, trained, task, [] if task == "regression" else ["false", "true"])


def test_the_signature_names_columns_types_nulls_and_categories() -> None:
    packaged = build(TWO_NUMBERS, summing(), "binary", ["false", "true"])
    raw = signature_of(packaged, TWO_NUMBERS, "binary", ["false", "true"]).to_json()
    column = {"shape": ["n", 1], "categories": None}
    assert raw == {
        "task": "binary",
        "inputs": [
            {**column, "name": "a", "type": "number", "onnx": "DOUBLE", "null": "nan"},
            {**column, "name": "b", "type": "integer", "onnx": "DOUBLE", "null": "nan"},
            {**column, "name": "c c", "type": "text", "onnx": "STRING", "null": "empty", "categories": ["", "x", "é"]},
            {**column, "name": "d", "type": "integer", "onnx": "INT64", "null": "lowest", "categories": [-1, 3]},
        ],
        "outputs": [{"name": "probability", "onnx": "FLOAT", "shape": ["n"]}],
        "classes": ["false", "true"],
        "target": "y",
    }  # fmt: skip
    assert Signature.from_json(raw).to_json() == raw


def test_many_categories_are_only_counted_in_the_signature() -> None:
    many = CategoricalColumn("c c", "text", tuple(f"k{number:03}" for number in range(51)))
    fitted = Encoding((), (many,), TWO_NUMBERS.target)
    trained = model(helper.make_node("Identity", ["x"], ["y"]), takes=[value_info("x", ["batch", 1])])
    signature = signature_of(build(fitted, trained, "regression", []), fitted, "regression", [])
    assert signature.inputs[0].categories == 51


NAMES = ["plain", "zwei Wörter", 'a "quoted" name', "semi;colon--", "emoji 🚂", "select"]
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "A", " a", "b'c", '"', "ü", "日本", "\n"]), st.text(max_size=4))
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "double": st.one_of(st.none(), st.just(math.nan), st.floats(-1e30, 1e30), st.just(-0.0)),
    "bigint": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 3)),
    "boolean": st.one_of(st.none(), st.booleans()),
    "varchar": TEXTS.map(lambda text: text.replace("\0", "") if text else text),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], list[list[Any]]]:
    """Columns as (name, DuckDB type, use), and rows."""
    columns = []
    for name in draw(st.permutations(NAMES))[: draw(st.integers(1, 5))]:
        kind = draw(st.sampled_from(sorted(CELLS)))
        uses = {"double": ["numeric"], "varchar": ["categorical"]}.get(kind, ["numeric", "categorical"])
        columns.append((name, kind, draw(st.sampled_from(uses))))
    cells = st.tuples(*(CELLS[kind] for _, kind, _ in columns)).map(list)
    return columns, draw(st.lists(cells, min_size=2, max_size=12))


@given(table=tables(), trained_on=st.integers(1, 12))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_rows_are_encoded_alike_in_preparation_and_in_the_graph(
    tmp_path: Path, table: tuple[list[tuple[str, str, str]], list[list[Any]]], trained_on: int
) -> None:
    columns, rows = table
    for place, (_, kind, use) in enumerate(columns):  # a numeric column needs a value to learn from
        if use == "numeric" and (rows[0][place] is None or math.isnan(rows[0][place])):
            rows[0][place] = {"double": 1.5, "bigint": 2, "boolean": True}[kind]
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(
            f"create table t ({', '.join(f'{identifier(name)} {kind}' for name, kind, _ in columns)}, y double)"
        )
        con.executemany(f"insert into t values ({', '.join('?' * (len(columns) + 1))})", [[*row, 1.0] for row in rows])
        features = FeaturesSection(
            target="y",
            task="regression",
            numeric=[name for name, _, use in columns if use == "numeric"],
            categorical=[name for name, _, use in columns if use == "categorical"],
        )
        fitted = encoding.fit(con, f"select * from t limit {trained_on}", features)
        con.execute(f"copy t to {literal(str(tmp_path / 't.parquet'))}")
        write_arrays(con, tmp_path / "t.parquet", fitted, tmp_path)
        packaged = passing_through(fitted)
        feeds = feeds_from(con, "select * from t", signature_of(packaged, fitted, "multiclass", []))
    in_the_graph = run(packaged, feeds, "probabilities")
    assert np.array_equal(in_the_graph, np.load(tmp_path / "x.npy"), equal_nan=False)
    assert np.isfinite(in_the_graph).all()
