"""Rows that two models are asked about, a batch at a time, and what is counted and kept of those that flip."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from runners.evaluation import disagreement
from runners.evaluation.disagreement import Answers
from runners.evaluation.heldout import HeldOut
from runners.evaluation.slices import Groups
from runners.packaging.scoring import Feeds, Scorer, chunks
from runners.packaging.signature import Signature
from storage.columns import identifier, literal
from storage.errors import DataInvalid
from storage.memory import in_memory
from storage.project import Task

BATCH = 8192  # rows that both models are asked at a time
MOST_KEPT = 200_000  # flips that can be looked at one by one: those that changed most


@dataclass(frozen=True)
class SliceFlips:
    """How many of the `rows` where `column` has `value` flip, and how many of these are right now, or wrong now."""

    column: str
    value: str
    rows: int
    flips: int
    better: int
    worse: int


@dataclass(frozen=True)
class Asked:
    """The rows that are asked, and how their values and classes are told."""

    rows: HeldOut
    task: Task
    classes: tuple[str, ...]
    first: list[str]  # columns that are told first
    target: str
    folder: tempfile.TemporaryDirectory[str] | None = None  # where the rows lie, for as long as they are looked at

    def feeds(self, signature: Signature) -> Iterator[Feeds]:
        """The rows as a model's inputs, `BATCH` at a time."""
        if self.rows.raw.suffix == ".parquet":
            found: Iterator[Feeds] = chunks(self.rows.raw, signature)
        else:
            found = iter([{signature.inputs[0].name: np.load(self.rows.raw, mmap_mode="r")}])
        for feeds in found:
            for start in range(0, len(next(iter(feeds.values()))), BATCH):
                yield {name: values[start : start + BATCH] for name, values in feeds.items()}

    def answers(self, before: Scorer, after: Scorer) -> Iterator[Answers]:
        """What both models say, `BATCH` rows at a time."""
        truth, place = self.rows.target, 0
        for one, other in zip(self.feeds(before.signature), self.feeds(after.signature), strict=True):
            was, now = (
                disagreement.aligned(scorer.predict_arrays(feeds), scorer.signature.classes, self.classes)
                for scorer, feeds in ((before, one), (after, other))
            )
            rows = np.arange(place, place + len(was), dtype=np.int64)
            yield disagreement.answers(self.task, rows, was, now, truth[rows])
            place += len(rows)

    def answer(self, value: float) -> str | float:
        """The class, or the value of a regression."""
        return value if self.task == "regression" else self.classes[int(value)]

    def values(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The raw columns of rows, those that tell most first; the target is told apart. A file's row is its path."""
        if not rows:
            return []
        if self.rows.raw.suffix != ".parquet":
            try:
                members = json.loads((self.rows.prepared / "files.json").read_text(encoding="utf-8"))["test"]
            except OSError as err:
                raise DataInvalid("the test rows are gone", place=str(self.rows.prepared)) from err
            return [{"file": members[row][0].removeprefix("files/")} for row in rows]
        wanted = ", ".join(str(int(row)) for row in rows)
        query = f"select * from read_parquet({literal(str(self.rows.raw))}, file_row_number = true)"
        try:
            with in_memory(threads=1) as con:
                found = con.execute(f"{query} where {identifier('file_row_number')} in ({wanted})")
                names = [column[0] for column in found.description or []]
                by_row = {int(each[names.index("file_row_number")]): each for each in found.fetchall()}
        except duckdb.Error as err:
            raise DataInvalid(str(err).partition("\n")[0], place=str(self.rows.raw)) from None
        order = list(dict.fromkeys([name for name in self.first if name in names] + names))
        told = [(name, names.index(name)) for name in order if name not in ("file_row_number", self.target)]
        return [{name: by_row[row][place] for name, place in told} for row in rows]


class Count:
    """What is known of the rows that were answered so far."""

    def __init__(self, task: Task, groups: dict[str, Groups]) -> None:
        self.rows = self.flips = self.better = self.worse = 0
        self._task, self._groups = task, groups
        self._by_slice = {column: np.zeros((4, len(each.names)), np.int64) for column, each in groups.items()}
        self._parts: list[Answers] = []
        self._waiting = 0

    def take(self, found: Answers) -> None:
        """Count these rows, and keep those that flip."""
        flipped = disagreement.changed(self._task, found)
        gain = disagreement.better(self._task, found) * flipped
        self.rows += len(found)
        self.flips += int(flipped.sum())
        self.better += int((gain > 0).sum())
        self.worse += int((gain < 0).sum())
        for column, groups in self._groups.items():
            index = groups.index[found.row]
            for line, rows in zip(self._by_slice[column], (index >= 0, flipped, gain > 0, gain < 0), strict=True):
                line += np.bincount(index[rows], minlength=len(line))
        self._parts.append(found.part(flipped))
        self._waiting += len(self._parts[-1])
        if self._waiting > 2 * MOST_KEPT:
            self._parts, self._waiting = [_most_changed(Answers.joined(self._parts))], MOST_KEPT

    @property
    def kept(self) -> Answers:
        """The flips that changed most."""
        if len(self._parts) != 1 or len(self._parts[0]) > MOST_KEPT:
            self._parts = [_most_changed(Answers.joined(self._parts))]
        return self._parts[0]

    def slices(self) -> list[SliceFlips]:
        """Of every value of every column that some row has."""
        found = (
            SliceFlips(column, value, *self._by_slice[column][:, place].tolist())
            for column, groups in self._groups.items()
            for place, value in enumerate(groups.names)
        )
        return [each for each in found if each.rows]


def _most_changed(found: Answers) -> Answers:
    if len(found) <= MOST_KEPT:
        return found
    return found.part(np.sort(np.argpartition(-np.abs(found.change), MOST_KEPT)[:MOST_KEPT]))
