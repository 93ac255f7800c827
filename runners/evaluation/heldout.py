"""The held-out test rows of a run: their targets, their raw columns, and what a packaged model says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.features.encoding import Encoding
from runners.packaging.scoring import Scorer
from runners.packaging.signature import Signature
from storage.columns import identifier, literal
from storage.memory import in_memory

Floats = NDArray[Any]


@dataclass(frozen=True)
class HeldOut:
    """What prepare left in the directory `prepared`: for tables raw rows as Parquet, for files the decoded tensors."""

    prepared: Path

    @property
    def target(self) -> NDArray[Any]:
        """[n], as training saw it: 0/1, class index, or value."""
        return np.asarray(np.load(self.prepared / "test" / "y.npy", mmap_mode="r"))

    @property
    def encoded(self) -> Path:
        """The rows as training got them, in the order of `target`: .npy."""
        return self.prepared / "test" / "x.npy"

    @property
    def raw(self) -> Path:
        """The rows before any encoding, in the order of `target`: a Parquet file, or the .npy of a files project."""
        parquet = self.prepared / "test.parquet"
        return parquet if parquet.exists() else self.encoded

    @property
    def encoding(self) -> Encoding | None:
        """The encoding that prepare fitted; None for a project of files."""
        path = self.prepared / "encoding.json"
        return Encoding.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def columns(self, names: list[str]) -> dict[str, NDArray[Any]]:
        """Raw columns by name, each [n]; nulls are masked. A files project has none."""
        if not names or self.raw.suffix != ".parquet":
            return {}
        wanted = ", ".join(identifier(name) for name in names)
        with in_memory() as con:
            query = f"select {wanted} from read_parquet({literal(str(self.raw))})"
            return dict(con.execute(query).fetchnumpy())

    def predicted_by(self, model: Path, signature: Signature) -> Floats:
        """What a packaged model says of these rows, from the raw ones on: [n], or [n, k] of the signature's classes."""
        scorer = Scorer(model, signature)
        if self.raw.suffix == ".parquet":
            return scorer.predict_parquet(self.raw)
        return scorer.predict_arrays({signature.inputs[0].name: np.load(self.raw, mmap_mode="r")})
