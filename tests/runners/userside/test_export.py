"""From a torch module to one ONNX file: the same numbers for any number of rows, or a clear refusal."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from runners.packaging import trained
from runners.userside import export, onnx_files
from runners.userside.export import ExportFailed, raw_of, settled
from runners.userside.onnx_files import last_activation
from runners.userside.predictions import WrongShape, in_batches, predictor

X = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
X[:, 5] = np.arange(100) % 4


def exported(module: nn.Module, folder: Path, x: np.ndarray[Any, Any] = X) -> tuple[Any, Any]:
    """Export a module, and hold the file's numbers against it for 1, 7 and all rows."""
    target = str(folder / "trained.onnx")
    module = settled(module)
    done = export.export(module, x, target)
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    raw = raw_of(module)
    for rows in {1, min(7, len(x)), len(x)}:
        got = session.run(None, {"x": x[:rows]})[0]
        assert len(got) == rows
        np.testing.assert_allclose(got.ravel(), raw(x[:rows]).ravel(), rtol=1e-3, atol=1e-4)
    return done, session


class Embedded(nn.Module):
    """Numbers and a category, as a practitioner writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(4, 3)
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.5), nn.Linear(16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(torch.cat([x[:, :5], self.codes(x[:, 5].long())], 1))
        return found


class Squeezed(Embedded):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).squeeze()


class Branching(nn.Module):
    """A trace of many rows follows the wrong branch for one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0] * (2 if len(x) > 1 else 1)


class Normed(nn.Module):
    """TorchScript's exporter does not know this norm."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.RMSNorm(6), nn.Linear(6, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(x)
        return found


class Fragile(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return (x[:, 0], x[:, 1])


class Random(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x[:, 0], 0.5, training=True)


class OnePerBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(0)


class NotOnCpu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to("cuda")[:, 0]


def test_a_module_for_tables_is_exported_quickly_with_any_number_of_rows(tmp_path: Path) -> None:
    done, session = exported(Embedded(), tmp_path)
    assert (done.exporter, done.checked_with) == ("torchscript", "onnxruntime")
    assert done.max_difference < 1e-5
    assert [(item.name, item.shape) for item in session.get_inputs()] == [("x", ["n", 6])]


def test_the_users_module_is_left_as_it_was(tmp_path: Path) -> None:
    module = Embedded().train().to(torch.float64)
    before = copy.deepcopy(module.state_dict())
    exported(module, tmp_path)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert next(module.parameters()).dtype == torch.float64
    assert next(module.parameters()).requires_grad


def test_low_precision_and_compilers_wrappers_are_taken_off(tmp_path: Path) -> None:
    module = Embedded().to(torch.bfloat16)
    wrapped = torch.compile(module)
    assert type(settled(wrapped)) is Embedded
    done, _ = exported(wrapped, tmp_path)
    assert done.exporter == "torchscript"


def test_squeeze_keeps_its_row_when_there_is_only_one(tmp_path: Path) -> None:
    _, session = exported(Squeezed(), tmp_path)
    assert session.run(None, {"x": X[:1]})[0].shape == (1,)
    assert in_batches(raw_of(settled(Squeezed())), X[:1]).shape[0] == 1


def test_images_and_sequences_are_exported_too(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype("float32")
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    _, session = exported(net, tmp_path, images)
    assert session.get_inputs()[0].shape == ["n", 1, 8, 8]

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.GRU(1, 5, batch_first=True), nn.Linear(5, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.body(x[..., None])[0][:, -1])
            return found

    exported(Recurrent(), tmp_path)


def test_a_single_row_is_enough_to_export_with(tmp_path: Path) -> None:
    exported(Embedded(), tmp_path, X[:1])


def test_what_torchscript_cannot_do_the_other_exporter_does_and_both_are_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done, session = exported(Normed(), tmp_path)
    assert done.exporter == "dynamo"
    assert [(item.name, item.shape) for item in session.get_inputs()] == [("x", ["n", 6])]
    assert [path.name for path in tmp_path.iterdir()] == ["trained.onnx"]
    assert capfd.readouterr() == ("", "")


def test_a_module_that_neither_exporter_can_follow_is_refused_with_both_reasons(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed) as failed:
        exported(Branching(), tmp_path)
    text = str(failed.value)
    assert "return the path of the file" in text
    assert "torchscript: ValueError: for 1 rows the file's numbers are off by" in text and "dynamo: " in text
    assert not (tmp_path / "trained.onnx").exists()


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Fragile(), "returned a tuple; it must return one tensor"),
        (Random(), "other numbers for the same rows"),
        (NotOnCpu(), "does not run on the CPU in float32"),
    ],
)
def test_a_module_of_no_use_is_refused_with_the_reason(tmp_path: Path, module: nn.Module, says: str) -> None:
    with pytest.raises(ExportFailed, match=says):
        exported(module, tmp_path)


def test_one_output_for_a_whole_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongShape, match="it must give one for each row"):
        exported(OnePerBatch(), tmp_path)


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.Sequential(nn.Linear(6, 1), nn.Sigmoid()), "Sigmoid"),
        (nn.Sequential(nn.Linear(6, 1), nn.Sigmoid(), nn.Flatten(0)), "Sigmoid"),
        (nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)), "Softmax"),
        (nn.Linear(6, 1), None),
    ],
)
def test_an_activation_at_the_end_is_seen(tmp_path: Path, module: nn.Module, found: str | None) -> None:
    export.export(settled(module), X, str(tmp_path / "trained.onnx"))
    assert last_activation(str(tmp_path / "trained.onnx")) == found


def test_an_activation_is_looked_for_behind_the_same_nodes_as_in_packaging() -> None:
    assert set(onnx_files.THROUGH) == trained.PASSING


def test_predictions_are_probabilities_whatever_the_model_ends_in() -> None:
    logits = np.array([[-800.0], [0.0], [800.0]], dtype="float32")
    by_logits = predictor(lambda x: logits, "binary", None)
    assert by_logits(X[:3]).tolist() == [0.0, 0.5, 1.0]
    assert predictor(lambda x: x[:, 0], "binary", "Sigmoid")(X).tolist() == X[:, 0].tolist()
    classes = predictor(lambda x: x[:, :3] * 500, "multiclass", None)(torch.from_numpy(X))
    assert classes.shape == (100, 3)
    np.testing.assert_allclose(classes.sum(1), 1, rtol=1e-5)
    assert predictor(lambda x: x[:, :1], "regression", None)(X).shape == (100,)


def test_predictions_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(WrongShape, match="one number a row"):
        predictor(lambda x: x, "binary", None)(X)
    with pytest.raises(WrongShape, match="one number for each class"):
        predictor(lambda x: x[:, 0], "multiclass", None)(X)


def test_many_rows_go_in_batches_and_come_out_in_order() -> None:
    x = np.arange(50_000, dtype="float32")[:, None]
    seen: list[int] = []
    found = in_batches(lambda batch: batch[:, 0], x, lambda done, total: seen.append(done))
    assert np.array_equal(found, x[:, 0])
    assert len(seen) > 3 and seen[-1] == 50_000
