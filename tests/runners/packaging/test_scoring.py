"""Scoring: raw rows from Parquet or DuckDB through a packaged model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runners.features import encoding
from runners.packaging.graph import build
from runners.packaging.scoring import BATCH_ROWS, Scorer, feeds_from
from runners.packaging.signature import signature_of
from storage.columns import literal
from storage.errors import DataInvalid, RunFailed
from storage.project import FeaturesSection

ROWS = """select range as id, case when range % 4 > 0 then range end as "how far", range % 3 = 0 as flag,
                 case when range % 5 > 0 then 'é' || range % 5 end as kind,
                 case when range % 6 > 0 then range % 6 end as code, range * 2.0 as y
          from range({n})"""
FEATURES = FeaturesSection(target="y", task="regression", numeric=["how far", "flag"], categorical=["kind", "code"])


def sum_of_columns(width: int, *, shift: float = 0.0) -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.ones((width, 1), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [weights, numpy_helper.from_array(np.array([shift], np.float32), "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    fitted = encoding.fit(duckdb.connect(), ROWS.format(n=1000), FEATURES)
    packaged = build(fitted, sum_of_columns(fitted.width), "regression", [])
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(packaged, path)
    return Scorer(path, signature_of(packaged, fitted, "regression", []))


def parquet(folder: Path, select: str) -> Path:
    path = folder / "rows.parquet"
    duckdb.connect().execute(f"copy ({select}) to {literal(str(path))}")
    return path


def test_rows_of_a_file_and_of_a_query_are_predicted_alike(scorer: Scorer, tmp_path: Path) -> None:
    select = ROWS.format(n=20000)
    from_file = scorer.predict_parquet(parquet(tmp_path, select))
    from_query = scorer.predict_arrays(feeds_from(duckdb.connect(), select, scorer.signature))
    assert (from_file.dtype, from_file.shape) == (np.float32, (20000,))
    assert 2 * BATCH_ROWS < 20000
    assert from_file.tolist() == from_query.tolist()


def test_each_row_is_predicted_as_if_it_were_alone(scorer: Scorer, tmp_path: Path) -> None:
    together = scorer.predict_parquet(parquet(tmp_path, ROWS.format(n=50)))
    feeds = feeds_from(duckdb.connect(), ROWS.format(n=50), scorer.signature)
    alone = [float(scorer.predict_arrays({k: v[row : row + 1] for k, v in feeds.items()})[0]) for row in range(50)]
    assert together.tolist() == pytest.approx(alone, abs=1e-6)


def test_nulls_are_handed_over_in_the_form_of_the_signature(scorer: Scorer) -> None:
    select = 'select null as kind, null::integer as code, null as "how far", null::boolean as flag'
    feeds = feeds_from(duckdb.connect(), select, scorer.signature)
    assert math.isnan(feeds["how far"][0, 0])
    assert math.isnan(feeds["flag"][0, 0])
    assert feeds["kind"].tolist() == [[""]]
    assert feeds["code"].tolist() == [[-(2**63)]]


def test_no_rows_give_no_predictions(scorer: Scorer, tmp_path: Path) -> None:
    assert scorer.predict_parquet(parquet(tmp_path, ROWS.format(n=0))).shape == (0,)


def test_a_missing_column_is_named_with_the_nearest_one(scorer: Scorer, tmp_path: Path) -> None:
    rows = parquet(tmp_path, f"select * rename (kind as kinds) from ({ROWS.format(n=5)})")
    with pytest.raises(DataInvalid) as caught:
        scorer.predict_parquet(rows)
    assert 'there is no column "kind"' in str(caught.value)
    assert 'did you mean "kinds"?' in str(caught.value)


def test_a_text_where_a_number_belongs_is_told(scorer: Scorer, tmp_path: Path) -> None:
    rows = parquet(tmp_path, f"select * replace ('far away' as \"how far\") from ({ROWS.format(n=5)})")
    with pytest.raises(DataInvalid, match="far away"):
        scorer.predict_parquet(rows)


def test_latency_is_measured_on_single_rows_and_batches(scorer: Scorer) -> None:
    found = scorer.latency(feeds_from(duckdb.connect(), ROWS.format(n=300), scorer.signature), n=50)
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["batch_rows_per_s"] > 0


def test_a_model_that_mixes_rows_up_is_told(tmp_path: Path) -> None:
    fitted = encoding.fit(duckdb.connect(), ROWS.format(n=100), FEATURES)
    trained = sum_of_columns(fitted.width)
    trained.graph.node.append(helper.make_node("ReduceMean", ["y"], ["mean"], keepdims=1))
    trained.graph.output[0].name = "mean"
    packaged = build(fitted, trained, "regression", [])
    onnx.save(packaged, tmp_path / "model.onnx")
    broken = Scorer(tmp_path / "model.onnx", signature_of(packaged, fitted, "regression", []))
    with pytest.raises(RunFailed, match=r"the model gives prediction of shape \[1\]"):
        broken.predict_parquet(parquet(tmp_path, ROWS.format(n=10)))


def test_a_file_that_is_no_model_is_told(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(RunFailed, match="onnxruntime cannot load the model"):
        Scorer(tmp_path / "model.onnx", scorer.signature)


def test_large_tensors_are_run_in_smaller_batches(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gather", ["f", "p"], ["y"], axis=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 256, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.array([0, 1]), "p")],
    )
    trained = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    packaged = build(None, trained, "multiclass", ["a", "b"])
    onnx.save(packaged, tmp_path / "model.onnx")
    images = np.zeros((50, 3, 256, 256), np.float32)
    images[:, 0, 0, 1] = np.arange(50)
    found = Scorer(tmp_path / "model.onnx", signature_of(packaged, None, "multiclass", ["a", "b"])).predict_arrays(
        {"x": images}
    )
    assert found.shape == (50, 2)
    assert (np.diff(found[:10, 1]) > 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_change_predictions(scorer: Scorer, tmp_path: Path, threads: int) -> None:
    onnx_file = Path(scorer.session._model_path)
    other: Any = Scorer(onnx_file, scorer.signature, threads=threads)
    rows = parquet(tmp_path, ROWS.format(n=3000))
    assert other.predict_parquet(rows) == pytest.approx(scorer.predict_parquet(rows), abs=1e-6)
