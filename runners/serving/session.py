"""A model version that serves: its session, its form, and how its outputs are told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runners.packaging.signature import Signature
from runners.serving.form import Feeds, Form
from storage.errors import RunFailed
from storage.hashing import hash_bytes

WARM_UP = 5
Entry = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """Which version to serve. `example` is a record of its dataset, for the documentation of the endpoint; `rows` the
    Parquet file of its test rows, if it is there."""

    model: str
    number: int
    digest: str
    path: str
    signature: dict[str, Any]
    example: dict[str, Any]
    rows: str = ""

    def to_json(self) -> dict[str, Any]:
        return vars(self)


class Loaded:
    """One loaded version. `seconds` is what a single row takes, `row_seconds` each further one of a batch."""

    def __init__(self, version: Version, *, threads: int = 1, device: str = "cpu") -> None:
        """Read the file, compare its digest, load and warm it.

        Raises:
            RunFailed: when its bytes are not those it is named by, or onnxruntime cannot load or run it.
        """
        data = Path(version.path).read_bytes()
        if hash_bytes(data) != version.digest:
            raise RunFailed("the model's file is damaged: its bytes are not those it is named by", place=version.path)
        self.version = version
        self.signature = Signature.from_json(version.signature)
        self.form = Form(self.signature)
        self.session = _session(data, threads, device)
        self.outputs = [out.name for out in self.signature.outputs]
        self.warm([version.example])

    def warm(self, rows: list[dict[str, Any]]) -> list[npt.NDArray[Any]]:
        """Run these records as one row and as a batch; sets the costs. Returns the outputs of the batch."""
        import msgspec

        one, _ = self.form.several(msgspec.json.encode(rows[:1]), 1)
        many, n = self.form.several(msgspec.json.encode(rows * (1 + 63 // len(rows))), 2**20)
        self.seconds = min(self._timed(one) for _ in range(WARM_UP))
        self.row_seconds = max(0.0, min(self._timed(many) for _ in range(WARM_UP)) - self.seconds) / max(1, n - 1)
        return [output[: len(rows)] for output in self.run(many)]

    def estimate(self, rows: int) -> float:
        """Seconds that a batch will take."""
        return self.seconds + rows * self.row_seconds

    def run(self, feeds: Feeds) -> list[npt.NDArray[Any]]:
        """All outputs for one batch. Raises RunFailed."""
        try:
            return list(self.session.run(self.outputs, feeds))
        except Exception as err:  # onnxruntime's errors share no base class of their own
            raise RunFailed(f"onnxruntime cannot run the model: {str(err).strip().partition(chr(10))[0]}") from err

    def entries(self, outputs: list[npt.NDArray[Any]]) -> list[Entry]:
        """One prediction a row, as JSON has it: a number that is not finite becomes null."""
        columns: list[list[Any]]
        names, columns = self.outputs, [values.tolist() for values in outputs]
        if self.signature.task == "multiclass":
            classes = self.signature.classes
            columns[0] = [dict(zip(classes, row, strict=True)) for row in columns[0]]
        if len(names) == 1:
            name = names[0]
            return [{name: value} for value in columns[0]]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _timed(self, feeds: Feeds) -> float:
        start = time.perf_counter()
        self.run(feeds)
        return time.perf_counter() - start


def finite(outputs: list[npt.NDArray[Any]]) -> bool:
    """Whether every number of these outputs is one."""
    return all(np.isfinite(values).all() for values in outputs if values.dtype.kind == "f")


def _session(data: bytes, threads: int, device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    wanted = {"cpu": [], "cuda": ["CUDA"], "auto": ["CUDA"], "tensorrt": ["Tensorrt", "CUDA"]}[device]
    providers = [f"{name}ExecutionProvider" for name in wanted if f"{name}ExecutionProvider" in there]
    if not providers and device in ("cuda", "tensorrt"):
        raise RunFailed(f"this onnxruntime has no provider for {device}", todo="pip install onnxruntime-gpu")
    try:
        return onnxruntime.InferenceSession(data, options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as err:  # as above
        raise RunFailed(f"onnxruntime cannot load the model: {str(err).strip().partition(chr(10))[0]}") from err
