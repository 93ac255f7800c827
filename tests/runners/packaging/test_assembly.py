"""Packaging: torch modules and a user's own ONNX predict from raw rows, in one file, as the trained model does."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnx
import pytest
from blake3 import blake3

from runners.features.encoding import Encoding
from runners.features.preparing import prepare_rows
from runners.packaging.assembly import package_model, predictions_of
from runners.packaging.scoring import Scorer
from runners.packaging.signature import Signature
from storage.errors import RunFailed
from storage.project import FeaturesSection, SplitSection, Task

# Everything that a table may throw at it: nulls, constants, ids beyond float's reach, quotes, spaces, other alphabets.
SOURCE = """select case when range % 7 > 0 then sin(range) * 100 end as "how far", range + 9007199254740993 as id,
                   3.5 as constant, range % 2 = 0 as "is ""big"" €", case when range % 11 > 0 then 'Größe ' || range % 9
                   when range % 2 = 0 then '' end as "Länge", range * 1000003 % 17 as "code; drop table",
                   case when range % 5 > 0 then range % 3 = 0 end as flag,
                   case when range < 560 then 'old' else 'new' || range % 3 end as changing,
                   range as at, cos(range) + range % 9 > 4 as late, 'class ' || range % 3 as sort,
                   sin(range) * 50 as value
            from range(700)"""
NUMERIC = ["how far", "id", "constant", 'is "big" €']
CATEGORICAL = ["Länge", "code; drop table", "flag", "changing"]
TARGETS: dict[Task, str] = {"binary": "late", "multiclass": "sort", "regression": "value"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    folders = {}
    for task, target in TARGETS.items():
        folders[task] = tmp_path_factory.mktemp(task)
        features = FeaturesSection(target=target, task=task, numeric=NUMERIC, categorical=CATEGORICAL)
        prepare_rows(duckdb.connect(), SOURCE, features, SplitSection(by="time", column="at"), folders[task])
    return folders


def matrix(folder: Path, part: str = "test") -> Any:
    return np.load(folder / part / "x.npy")


def module_for(fitted: Encoding, outputs: int) -> Any:
    """A small network with an embedding for each categorical column."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = list(fitted.codes.values())
            self.plain = fitted.width - len(sizes)
            self.embeddings = torch.nn.ModuleList(torch.nn.Embedding(size, 4) for size in sizes)
            self.body = torch.nn.Sequential(torch.nn.Linear(self.plain + 4 * len(sizes), 16), torch.nn.GELU())
            self.norm = torch.nn.BatchNorm1d(16)
            self.head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(16, outputs))

        def forward(self, x: Any) -> Any:
            codes = x[:, self.plain :].long()
            looked_up = [table(codes[:, place]) for place, table in enumerate(self.embeddings)]
            y = self.head(self.norm(self.body(torch.cat([x[:, : self.plain], *looked_up], dim=1))))
            return y.squeeze(1) if outputs == 1 else y

    torch.manual_seed(0)
    return Network().eval()


def export(module: Any, x: Any, path: Path, *, dynamo: bool) -> None:
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    more: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
    if dynamo:
        more = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.from_numpy(x[:3]),), path, input_names=["x"], output_names=["y"], dynamo=dynamo, **more
        )


def own_predictions(module: Any, x: Any, path: Path) -> Path:
    import torch

    with torch.inference_mode():
        np.save(path, module(torch.from_numpy(x)).numpy())
    return path


@pytest.mark.parametrize(
    ("task", "dynamo"), [("binary", True), ("binary", False), ("multiclass", False), ("regression", False)]
)
def test_a_torch_module_predicts_from_raw_rows_what_it_predicts_from_the_matrix(
    prepared: dict[Task, Path], tmp_path: Path, task: Task, dynamo: bool
) -> None:
    folder = prepared[task]
    fitted = Encoding.read(folder / "encoding.json")
    module, x = module_for(fitted, 3 if task == "multiclass" else 1), matrix(folder)
    export(module, x, tmp_path / "trained.onnx", dynamo=dynamo)
    facts = package_model(
        tmp_path / "trained.onnx",
        fitted,
        task,
        fitted.target.classes,
        folder / "test.parquet",
        tmp_path,
        reference=own_predictions(module, x, tmp_path / "test.npy"),
        parity_limit=1e-5,
    )
    assert facts["parity"] < 1e-5
    assert facts["parity_rows"] == len(x) == 70
    assert facts["digest"] == blake3((tmp_path / "model.onnx").read_bytes()).hexdigest()
    assert facts["bytes"] == (tmp_path / "model.onnx").stat().st_size
    assert facts["output_kind"] == ("values" if task == "regression" else "logits")
    assert facts["latency"]["p99_ms"] > 0
    scorer = Scorer(tmp_path / "model.onnx", Signature.read(tmp_path / "signature.json"))
    assert [given.name for given in scorer.signature.inputs] == NUMERIC + CATEGORICAL
    expected = predictions_of(np.load(tmp_path / "test.npy"), task, activated=task == "regression")
    assert scorer.predict_parquet(folder / "test.parquet") == pytest.approx(expected, abs=1e-5)
    labels = scorer.session.run(None, {given.name: one_row(given.onnx) for given in scorer.signature.inputs})
    assert len(labels[0]) == 1


def one_row(element: str) -> Any:
    return {"DOUBLE": np.array([[np.nan]]), "STRING": np.array([[""]], object), "INT64": np.array([[0]])}[element]


def test_packaging_twice_gives_the_same_digest(prepared: dict[Task, Path], tmp_path: Path) -> None:
    folder = prepared["binary"]
    fitted, digests = Encoding.read(folder / "encoding.json"), []
    for name in ("one", "other"):
        out = tmp_path / name
        out.mkdir()
        export(module_for(fitted, 1), matrix(folder), out / "trained.onnx", dynamo=False)
        rows, classes = folder / "test.parquet", fitted.target.classes
        facts = package_model(
            out / "trained.onnx", fitted, "binary", classes, rows, out, reference=None, parity_limit=1e-4
        )
        digests.append(facts["digest"])
        assert (facts["parity"], facts["parity_rows"]) == (None, 0)
    assert digests[0] == digests[1]


def test_a_difference_is_refused_with_the_worst_row_and_both_values(prepared: dict[Task, Path], tmp_path: Path) -> None:
    folder = prepared["binary"]
    fitted, x = Encoding.read(folder / "encoding.json"), matrix(folder)
    module = module_for(fitted, 1)
    export(module, x, tmp_path / "trained.onnx", dynamo=False)
    reference = own_predictions(module, x, tmp_path / "test.npy")
    wrong = np.load(reference)
    wrong[13] = 40.0
    np.save(reference, wrong)
    with pytest.raises(RunFailed, match=r"in row 13 of 70: packaged 0\.\d+, trained 1\.0"):
        package_model(
            tmp_path / "trained.onnx",
            fitted,
            "binary",
            fitted.target.classes,
            folder / "test.parquet",
            tmp_path,
            reference=reference,
            parity_limit=1e-4,
        )


def test_an_onnx_file_that_nobody_ran_is_compared_with_its_package(prepared: dict[Task, Path], tmp_path: Path) -> None:
    for task, folder in prepared.items():
        fitted, x = Encoding.read(folder / "encoding.json"), matrix(folder)
        export(module_for(fitted, 3 if task == "multiclass" else 1), x, tmp_path / "trained.onnx", dynamo=False)
        given = (tmp_path / "trained.onnx", fitted, task, fitted.target.classes, folder / "test.parquet", tmp_path)
        facts = package_model(*given, reference=None, encoded=folder / "test" / "x.npy", parity_limit=1e-5)
        assert (facts["parity"] < 1e-5, facts["parity_rows"]) == (True, 70)
        np.save(tmp_path / "x.npy", x[::-1])
        with pytest.raises(RunFailed, match="differs from the trained one"):
            package_model(*given, reference=None, encoded=tmp_path / "x.npy", parity_limit=1e-5)


def test_a_reference_that_is_not_finite_never_passes(prepared: dict[Task, Path], tmp_path: Path) -> None:
    folder = prepared["regression"]
    fitted, x = Encoding.read(folder / "encoding.json"), matrix(folder)
    module = module_for(fitted, 1)
    export(module, x, tmp_path / "trained.onnx", dynamo=False)
    wrong = np.load(own_predictions(module, x, tmp_path / "test.npy"))
    wrong[2] = np.nan
    np.save(tmp_path / "test.npy", wrong)
    with pytest.raises(RunFailed, match="by inf in row 2 of 70"):
        package_model(
            tmp_path / "trained.onnx",
            fitted,
            "regression",
            [],
            folder / "test.parquet",
            tmp_path,
            reference=tmp_path / "test.npy",
            parity_limit=1e-4,
        )


def test_a_scikit_learn_classifier_on_the_matrix_keeps_its_probabilities(
    prepared: dict[Task, Path], tmp_path: Path
) -> None:
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingClassifier

    folder = prepared["multiclass"]
    fitted, x = Encoding.read(folder / "encoding.json"), matrix(folder, "train")
    chosen = GradientBoostingClassifier(n_estimators=5).fit(x, np.load(folder / "train" / "y.npy"))
    onnx.save(to_onnx(chosen, x[:1], options={"zipmap": False}), tmp_path / "trained.onnx")
    np.save(tmp_path / "test.npy", chosen.predict_proba(matrix(folder)))
    facts = package_model(
        tmp_path / "trained.onnx",
        fitted,
        "multiclass",
        fitted.target.classes,
        folder / "test.parquet",
        tmp_path,
        reference=tmp_path / "test.npy",
        parity_limit=1e-5,
    )
    assert facts["output_kind"] == "probabilities"
    assert facts["parity"] < 1e-5


def test_a_scikit_learn_pipeline_on_raw_columns_is_used_as_it_is(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    source = """select range * 0.37 % 5 as far, 'k' || range % 4 as kind, range % 3 = 0 as late from range(400)"""
    features = FeaturesSection(target="late", task="binary", numeric=["far"], categorical=["kind"])
    prepare_rows(duckdb.connect(), source, features, SplitSection(), tmp_path)
    fitted = Encoding.read(tmp_path / "encoding.json")

    def raw(part: str) -> Any:
        found = duckdb.connect().execute(f"select * from '{tmp_path / f'{part}.parquet'}'").fetchnumpy()
        return np.stack([found["far"].astype(object), found["kind"]], axis=1), found["late"]

    columns = ColumnTransformer([("far", StandardScaler(), [0]), ("kind", OneHotEncoder(), [1])])
    chosen = make_pipeline(columns, LogisticRegression()).fit(*raw("train"))
    types = [("far", FloatTensorType([None, 1])), ("kind", StringTensorType([None, 1]))]
    onnx.save(to_onnx(chosen, initial_types=types, options={"zipmap": False}), tmp_path / "trained.onnx")
    np.save(tmp_path / "test.npy", chosen.predict_proba(raw("test")[0]))
    facts = package_model(
        tmp_path / "trained.onnx",
        fitted,
        "binary",
        fitted.target.classes,
        tmp_path / "test.parquet",
        tmp_path,
        reference=tmp_path / "test.npy",
        parity_limit=1e-5,
    )
    assert facts["parity"] < 1e-5
    signature = Signature.read(tmp_path / "signature.json")
    assert [(given.name, given.onnx) for given in signature.inputs] == [("far", "FLOAT"), ("kind", "STRING")]
    facts = package_model(
        tmp_path / "trained.onnx",
        fitted,
        "binary",
        fitted.target.classes,
        tmp_path / "test.parquet",
        tmp_path,
        reference=None,
        encoded=tmp_path / "test" / "x.npy",
        parity_limit=1e-5,
    )
    assert (facts["parity"], facts["parity_rows"]) == (0.0, 40)  # both run on the raw columns


def test_a_classifier_exported_with_a_zipmap_says_how_to_export_it(prepared: dict[Task, Path], tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    folder = prepared["binary"]
    fitted, x = Encoding.read(folder / "encoding.json"), matrix(folder, "train")
    chosen = LogisticRegression(max_iter=1000).fit(x, np.load(folder / "train" / "y.npy").astype(int))
    onnx.save(to_onnx(chosen, x[:1]), tmp_path / "trained.onnx")
    with pytest.raises(RunFailed, match="zipmap"):
        package_model(
            tmp_path / "trained.onnx", fitted, "binary", [], folder / "test.parquet", tmp_path,
            reference=None, parity_limit=1e-4,
        )  # fmt: skip


def test_images_go_through_a_convolution_without_an_encoding(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    convolution = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
    module = torch.nn.Sequential(convolution, torch.nn.Flatten(), torch.nn.Linear(4, 3)).eval()
    x = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    export(module, x, tmp_path / "trained.onnx", dynamo=False)
    facts = package_model(
        tmp_path / "trained.onnx",
        None,
        "multiclass",
        ["cat", "dog", "owl"],
        tmp_path / "x.npy",
        tmp_path,
        reference=own_predictions(module, x, tmp_path / "test.npy"),
        parity_limit=1e-5,
    )
    assert facts["parity_rows"] == 40
    assert Signature.read(tmp_path / "signature.json").target is None


def test_a_file_that_is_no_onnx_is_told(prepared: dict[Task, Path], tmp_path: Path) -> None:
    (tmp_path / "trained.onnx").write_bytes(b"\x00nonsense")
    fitted = Encoding.read(prepared["binary"] / "encoding.json")
    with pytest.raises(RunFailed, match=r"trained.onnx: cannot read the trained model"):
        package_model(
            tmp_path / "trained.onnx", fitted, "binary", [], tmp_path, tmp_path, reference=None, parity_limit=1.0
        )
