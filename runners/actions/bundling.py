"""A model version that leaves this machine: with a server of its own, or as other servers want to find it."""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from runners.actions.models import Exported, resolve
from runners.packaging.signature import Input, Output, Signature
from storage.errors import UsageError, nearest
from storage.shed import Shed
from storage.tables import ModelVersion

STANDALONE, OPEN_INFERENCE = "standalone", "open-inference"
LAYOUTS = (STANDALONE, OPEN_INFERENCE)
TYPES = {
    "DOUBLE": "FP64", "FLOAT": "FP32", "FLOAT16": "FP16", "INT64": "INT64", "INT32": "INT32", "BOOL": "BOOL",
    "STRING": "STRING",
}  # fmt: skip


def bundle(shed: Shed, reference: str, folder: Path, *, layout: str = STANDALONE) -> Exported:
    """Write a new folder that needs nothing of trainshed: whole, or not at all.

    `standalone` is model.onnx, signature.json, card.md and serve.py, a server for onnxruntime and the standard library;
    `open-inference` is a model repository as Triton and others of the Open Inference Protocol read it.

    Raises:
        UsageError: the folder is there already or cannot be written, or the layout is unknown.
        ShedError: the packaged model is damaged or missing.
    """
    if layout not in LAYOUTS:
        raise UsageError(f'no layout "{layout}"', expected=" or ".join(LAYOUTS), todo=nearest(layout, LAYOUTS))
    name, version = resolve(shed, reference)
    folder = folder.expanduser().absolute()
    if folder.exists():
        raise UsageError("is there already", place=str(folder), todo="choose another --bundle DIR")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as place:
            fresh = Path(place, "bundle")
            fresh.mkdir()
            if layout == STANDALONE:
                _standalone(shed, version, fresh)
            else:
                _repository(shed, name, version, fresh)
            fresh.rename(folder)
    except OSError as err:
        raise UsageError(f"cannot write here: {err.strerror}", place=str(err.filename or folder)) from err
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Exported(name, version.number, folder, written)


def _standalone(shed: Shed, version: ModelVersion, folder: Path) -> None:
    shutil.copyfile(shed.objects.verify(version.digest), folder / "model.onnx")
    (folder / "signature.json").write_text(json.dumps(version.signature, indent=1) + "\n", encoding="utf-8")
    server = files("runners.packaging").joinpath("standalone.py").read_text("utf-8")
    (folder / "serve.py").write_text(server, encoding="utf-8")
    if version.card is not None:
        shutil.copyfile(shed.objects.verify(version.card), folder / "card.md")


def _repository(shed: Shed, name: str, version: ModelVersion, folder: Path) -> None:
    """https://docs.nvidia.com/deeplearning/triton-inference-server: model repository, model configuration."""
    place = folder / name / str(version.number)
    place.mkdir(parents=True)
    shutil.copyfile(shed.objects.verify(version.digest), place / "model.onnx")
    signature = Signature.from_json(version.signature)
    parts = [f'name: "{name}"', 'platform: "onnxruntime_onnx"', "max_batch_size: 0"]
    parts += [_tensors("input", signature.inputs), _tensors("output", signature.outputs)]
    parts.append(f"version_policy: {{ specific {{ versions: [ {version.number} ] }} }}")
    (folder / name / "config.pbtxt").write_text("\n".join(parts) + "\n", encoding="utf-8")


def _tensors(kind: str, tensors: tuple[Input, ...] | tuple[Output, ...]) -> str:
    """The rows are the first size of each, so that it is any."""
    told = []
    for tensor in tensors:
        sizes = ", ".join(str(size) if isinstance(size, int) else "-1" for size in tensor.shape)
        told.append(f"  {{ name: {json.dumps(tensor.name)} data_type: TYPE_{TYPES[tensor.onnx]} dims: [ {sizes} ] }}")
    return f"{kind} [\n" + ",\n".join(told) + "\n]"
