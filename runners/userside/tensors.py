"""The data of a run: what `prepare` wrote, opened without reading it into memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from .failures import Unusable
from .packages import needs

SPLITS = ("train", "validation", "test")


class NoData(Unusable):
    """The run was started without the data that was asked for."""


class Split:
    """One of train, validation and test."""

    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self.name = name

    def tensors(self) -> tuple[Any, Any]:
        """Return (x, y): float32 [n, features] (files: [n, …]) and the target, float32 [n] or int64 [n] for multiclass.

        They are memory-mapped numpy arrays; `torch.from_numpy` takes them as they are. Writing to them changes this
        process's copy alone, never the file.

        Raises:
            NoData: the dataset is of files and the project has no `load` to make arrays of them.
        """
        return self._array("x"), self._array("y")

    @property
    def files(self) -> Any:
        """For a dataset of files: a list of (path, label). For a table: the path of the Parquet file with the split's
        raw rows."""
        listing = os.path.join(self._directory, "files.json")
        if os.path.exists(listing):
            with open(listing, encoding="utf-8") as file:
                return [(os.path.join(self._directory, path), label) for path, label in json.load(file)[self.name]]
        rows = os.path.join(self._directory, f"{self.name}.parquet")
        if not os.path.exists(rows):
            raise NoData("the data is not split, because trainshed.toml has no [features]; it lies in run.data.dir")
        return rows

    def __len__(self) -> int:
        if os.path.exists(self._path("y")):
            return len(self._array("y"))
        return len(self.files)

    def _array(self, name: str) -> Any:
        path = self._path(name)
        if not os.path.exists(path):
            raise NoData(
                f"there are no arrays for {self.name}: a dataset of files has them when trainshed.toml says "
                f'[features] load = "module:function"; its paths are in run.data.{self.name}.files'
            )
        numpy = needs("numpy", "reading the data")
        # "c" is copy on write: torch warns about arrays that cannot be written to, and the file must not change
        return numpy.load(path, mmap_mode="c", allow_pickle=False)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, self.name, f"{name}.npy")


class Data:
    """The splits of the run's data, and what their columns mean.

    Attributes:
        dir: the directory that `prepare` wrote; a dataset of files lies in `files/` below it.
        train, validation, test: the splits.
        features: names of the columns of x.
        numeric: how many leading columns of x are numbers (the "is missing" ones too); the rest are codes of
            categories.
        categories: name of a categorical column → number of its codes, 0 (unseen) included, in the order of the
            columns.
        classes: of a multiclass or binary task, in the order of the class indices.
        task: "binary", "multiclass", "regression" or None.
    """

    def __init__(
        self,
        directory: str,
        *,
        task: Optional[str] = None,
        features: Optional[list[str]] = None,
        categories: Optional[Mapping[str, int]] = None,
        classes: Optional[list[Any]] = None,
    ) -> None:
        self.dir = Path(directory)
        self.train, self.validation, self.test = (Split(directory, name) for name in SPLITS)
        self.task = task
        self.features = list(features or [])
        self.categories = dict(categories or {})
        self.classes = list(classes or [])
        self.numeric = len(self.features) - len(self.categories)
