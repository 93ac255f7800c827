"""Scenes for tests: runs, dataset versions and model versions, written as the pipeline writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from storage.manifests import Entry, Manifest
from storage.shed import Shed
from storage.tables import DatasetVersion, ModelVersion, Run
from storage.write import datasets as write_datasets
from storage.write import models as write_models
from storage.write import runs as write_runs


def new_run(name: str, **fields: Any) -> write_runs.NewRun:
    """What a run starts from; `fields` are those of NewRun that matter."""
    plain = {
        "project": name,
        "project_dir": f"/projects/{name}",
        "identity": "i",
        "code": "c" * 64,
        "spec": {},
        "snapshot": {},
        "params": {},
    }
    return write_runs.NewRun(name=name, **{**plain, **fields})


def run_of(shed: Shed, name: str = "flight-delay", *, status: str = "done", **fields: Any) -> Run:
    """A run that has ended as `status` says; `metrics`, `log`, `reason` and whatever NewRun takes may be given."""
    metrics, log, reason = fields.pop("metrics", {}), fields.pop("log", b""), fields.pop("reason", "")
    run = write_runs.create(shed, new_run(name, **fields))
    assert run.id is not None
    if metrics:
        write_runs.measured(shed, run.id, metrics)
    if log:
        (shed.run_dir(run.id) / "log").write_bytes(log)
    if status != "running":
        write_runs.finish(shed, run.id, status, 0 if status == "done" else 1, reason)
    return run


def dataset_version_of(shed: Shed, name: str, files: dict[str, bytes]) -> DatasetVersion:
    """A version of a dataset of kind `files`, its contents in the objects."""
    entries = []
    for path, data in files.items():
        digest = shed.objects.put_bytes(data)
        found = shed.objects.path(digest).stat()
        entries.append(Entry(path, len(data), digest, found.st_mtime_ns, found.st_ino))
    manifest = Manifest("files", {"files": entries})
    new = write_datasets.NewVersion(
        content=manifest.content,
        manifest=shed.objects.put_bytes(manifest.to_json().encode()),
        files=manifest.files,
        rows=None,
        bytes=manifest.bytes,
    )
    return write_datasets.add_version(shed, name, "files", new)[0]


def onnx_bytes(bias: float) -> bytes:
    """A model that adds `bias` to its input."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "bias"], ["prediction"])],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    assert not onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def model_version_of(
    shed: Shed, run: Run, *, bias: float = 1.0, passed: bool | None = True, name: str = "flight-delay", **metrics: float
) -> ModelVersion:
    """A packaged model version with a card, judged by the gate unless `passed` is None."""
    assert run.id is not None
    version, _ = write_models.register(
        shed,
        name,
        write_models.NewModelVersion(
            digest=shed.objects.put_bytes(onnx_bytes(bias)),
            run_id=run.id,
            dataset_version_id=run.dataset_version_id,
            task="regression",
            signature={"inputs": [{"name": "x"}], "outputs": [{"name": "prediction"}]},
            metrics=metrics,
        ),
    )
    assert version.id is not None
    write_models.set_card(shed, version.id, shed.objects.put_bytes(f"# {name} v{version.number}\n".encode()))
    if passed is not None:
        verdicts = [
            {"rule": "min", "passed": passed, "found": 1.0, "expected": 0.5, "text": "auroc 0.72, at least 0.6"}
        ]
        write_models.judge(
            shed,
            version.id,
            run.id,
            passed=passed,
            evidence={"passed": passed, "verdicts": verdicts},
            reason="" if passed else "auroc 0.5, at least 0.6",
        )
    return version


def write_series(directory: Path, name: str, values: list[float]) -> None:
    """A metric series as a run's child writes it."""
    from runners.userside.series import Writer

    writer = Writer(str(directory))
    for step, value in enumerate(values):
        writer.log({name: value}, step)
    writer.close()
