"""Flips: the rows to which a model version gives another answer than the one in production, looked at before one signs.

Both packaged models are asked again, from the raw columns, a batch of the test rows at a time. What is kept of a row is
a few numbers, and only of rows that flip: memory does not grow with their columns or classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import duckdb
import numpy as np
from numpy.typing import NDArray

from runners.actions.models import parsed_reference
from runners.evaluation import disagreement
from runners.evaluation.disagreement import Answers
from runners.evaluation.heldout import HeldOut
from runners.evaluation.slices import Groups, grouped
from runners.packaging.scoring import Feeds, Scorer, chunks
from runners.packaging.signature import Signature
from storage.columns import identifier, literal
from storage.errors import DataInvalid, UsageError, nearest
from storage.memory import in_memory
from storage.project import Task
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import ModelVersion

BATCH = 8192  # rows that both models are asked at a time
MOST_KEPT = 200_000  # flips that can be looked at one by one: those that changed most

Order = Literal["change", "row", "before", "after"]
Which = Literal["all", "better", "worse"]
Progress = Callable[[int, int], bool]


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
class Flip:
    """One row: its raw columns by name, and both answers with how sure each model is of its own (None: a regression).

    `better` is 1 where the candidate is right and production was not, -1 the other way round. For a regression it is
    right who is nearer to the truth.
    """

    row: int
    values: dict[str, Any]
    before: str | float
    after: str | float
    sure_before: float | None
    sure_after: float | None
    change: float
    truth: str | float | None
    better: int


@dataclass(frozen=True)
class Look:
    """Which flips are wanted: of one slice (`column` empty: of all), for better or worse, in which order."""

    column: str = ""
    value: str = ""
    which: Which = "all"
    order: Order = "change"
    descending: bool = True


@dataclass(frozen=True)
class Flips:
    """All rows on which two versions disagree.

    Attributes:
        before, after: the numbers of the version in production and of the candidate.
        run: the run whose test rows were asked.
        rows, flips: rows that both answered, and how many got another answer.
        better, worse: flips that are right now, and wrong now.
        slices: by the columns of [gate] slices, those with most flips for their size first; smaller ones than the gate
            looks at (`least_rows`) come last.
        kept: flips that can be looked at one by one.
    """

    model: str
    before: int
    after: int
    task: Task
    run: int
    rows: int
    flips: int
    better: int
    worse: int
    slices: list[SliceFlips]
    least_rows: int
    kept: int
    _answers: Answers = field(repr=False)
    _source: _Source = field(repr=False)
    _groups: dict[str, Groups] = field(repr=False)

    def page(self, look: Look, first: int, count: int) -> tuple[list[Flip], int]:
        """A window of the flips that are wanted, and how many these are.

        Raises:
            UsageError: for a slice that does not exist.
            DataInvalid: the test rows are gone.
        """
        chosen = np.flatnonzero(self._wanted(look))
        by = {
            "change": np.abs(self._answers.change),
            "row": self._answers.row,
            "before": self._answers.before if self.task == "regression" else self._answers.sure_before,
            "after": self._answers.after if self.task == "regression" else self._answers.sure_after,
        }[look.order][chosen]
        order = np.argsort(-by if look.descending else by, kind="stable")
        part = self._answers.part(chosen[order[first : first + count]])
        return list(self._told(part)), len(chosen)

    def _wanted(self, look: Look) -> NDArray[np.bool_]:
        found = np.ones(len(self._answers), bool)
        if look.column:
            column = _one_of(look.column, tuple(self._groups), "slice")
            groups = self._groups[column]
            value = _one_of(look.value, tuple(groups.names), f"value of {column}")
            found &= groups.index[self._answers.row] == groups.names.index(value)
        if look.which != "all":
            found &= disagreement.better(self.task, self._answers) == (1 if look.which == "better" else -1)
        return found

    def _told(self, part: Answers) -> Iterator[Flip]:
        values = self._source.values(part.row.tolist())
        gains = disagreement.better(self.task, part).tolist()
        name = self._source.answer
        for place, row in enumerate(part.row.tolist()):
            sure = self.task != "regression"
            yield Flip(
                row,
                values[place],
                name(float(part.before[place])),
                name(float(part.after[place])),
                float(part.sure_before[place]) if sure else None,
                float(part.sure_after[place]) if sure else None,
                float(part.change[place]),
                None if np.isnan(part.truth[place]) else name(float(part.truth[place])),
                gains[place],
            )


def look(column: str, value: str, which: str, sort: str) -> Look:
    """A choice as it is written on a command line; `sort` with a leading `-` for the largest first.

    Raises:
        UsageError: when `which` or `sort` is none of those there are.
    """
    order = _one_of(sort.removeprefix("-"), get_args(Order), "order")
    return Look(column, value, _one_of(which, get_args(Which), "choice"), order, sort.startswith("-"))


def flips(shed: Shed, reference: str, *, against: str | None = None, progress: Progress | None = None) -> Flips:
    """Find the test rows of a version's run on which it and another version of the model disagree.

    Args:
        reference: MODEL[@VERSION]; by default the newest version.
        against: the other version; by default production, or what was production before where it is that itself.
        progress: called with rows done and all rows; when it returns False, what was found so far is all.

    Raises:
        UsageError: no such version, nothing to compare it with, or its test rows are not kept any more.
        DataInvalid: the test rows lack a column that the other version needs.
        RunFailed: a model cannot be run.
        ShedError: a packaged model is damaged.
    """
    name, which = parsed_reference(reference)
    row = read_models.row(shed, name)
    if which is None and row.versions:
        which = f"v{row.versions[0].number}"
    version = read_models.version(shed, name, which)
    other = _other(shed, name, version, row.aliases, against)
    rows, gate = _test_rows(shed, version)
    run_slices, least_rows = [str(column) for column in gate.get("slices") or []], int(gate.get("min_slice_rows") or 0)
    ours, theirs = Signature.from_json(version.signature), Signature.from_json(other.signature)
    if ours.task != theirs.task:
        raise UsageError(
            f"v{version.number} is {ours.task} and v{other.number} is {theirs.task}: their answers do not compare"
        )
    classes = tuple(dict.fromkeys((*ours.classes, *theirs.classes)))
    source = _Source(rows, ours.task, classes, [*run_slices, *(each.name for each in ours.inputs)], ours.target or "")
    groups = {column: grouped(values) for column in run_slices for values in rows.columns([column]).values()}
    count = _Count(ours.task, groups)
    asked = (
        _Asked(Scorer(shed.objects.verify(each.digest), signature), signature)
        for each, signature in ((other, theirs), (version, ours))
    )
    for answers in _answers(source, *asked):
        count.take(answers)
        if progress is not None and not progress(count.rows, len(rows.target)):
            break
    return Flips(
        model=name,
        before=other.number,
        after=version.number,
        task=ours.task,
        run=version.run_id,
        rows=count.rows,
        flips=count.flips,
        better=count.better,
        worse=count.worse,
        slices=sorted(count.slices(), key=lambda each: (each.rows < least_rows, -each.flips / each.rows)),
        least_rows=least_rows,
        kept=len(count.kept),
        _answers=count.kept,
        _source=source,
        _groups=groups,
    )


@dataclass(frozen=True)
class _Asked:
    scorer: Scorer
    signature: Signature


@dataclass(frozen=True)
class _Source:
    """The rows that are asked, and how their values and classes are told."""

    rows: HeldOut
    task: Task
    classes: tuple[str, ...]
    first: list[str]  # columns that are told first
    target: str

    def feeds(self, signature: Signature) -> Iterator[Feeds]:
        """The rows as a model's inputs, `BATCH` at a time."""
        if self.rows.raw.suffix == ".parquet":
            found: Iterator[Feeds] = chunks(self.rows.raw, signature)
        else:
            found = iter([{signature.inputs[0].name: np.load(self.rows.raw, mmap_mode="r")}])
        for feeds in found:
            for start in range(0, len(next(iter(feeds.values()))), BATCH):
                yield {name: values[start : start + BATCH] for name, values in feeds.items()}

    def answer(self, value: float) -> str | float:
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


class _Count:
    """What is known of the rows that were answered so far."""

    def __init__(self, task: Task, groups: dict[str, Groups]) -> None:
        self.rows = self.flips = self.better = self.worse = 0
        self._task, self._groups = task, groups
        self._by_slice = {column: np.zeros((4, len(each.names)), np.int64) for column, each in groups.items()}
        self._parts: list[Answers] = []
        self._waiting = 0

    def take(self, found: Answers) -> None:
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
        if len(self._parts) != 1 or len(self._parts[0]) > MOST_KEPT:
            self._parts = [_most_changed(Answers.joined(self._parts))]
        return self._parts[0]

    def slices(self) -> list[SliceFlips]:
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


def _answers(source: _Source, before: _Asked, after: _Asked) -> Iterator[Answers]:
    truth, place = source.rows.target, 0
    for one, other in zip(source.feeds(before.signature), source.feeds(after.signature), strict=True):
        was, now = (
            disagreement.aligned(asked.scorer.predict_arrays(feeds), asked.signature.classes, source.classes)
            for asked, feeds in ((before, one), (after, other))
        )
        rows = np.arange(place, place + len(was), dtype=np.int64)
        yield disagreement.answers(source.task, rows, was, now, truth[rows])
        place += len(rows)


def _other(shed: Shed, name: str, version: ModelVersion, aliases: dict[str, int], against: str | None) -> ModelVersion:
    if against is None:
        production = aliases.get("production")
        number = aliases.get("previous") if production == version.number else production
        if number is None:
            raise UsageError(
                f"no other version of {name} is or was in production, so there is nothing to compare v{version.number}"
                " with",
                todo="--against VERSION names one",
            )
        against = f"v{number}"
    other = read_models.version(shed, name, against)
    if other.number == version.number:
        raise UsageError(f"v{version.number} agrees with itself", todo="--against VERSION names another one")
    return other


def _test_rows(shed: Shed, version: ModelVersion) -> tuple[HeldOut, dict[str, Any]]:
    """The test rows of the version's run, and its [gate]."""
    run = read_runs.run(shed, version.run_id)
    stage = next((each for each in read_runs.stages(shed, version.run_id) if each.name == "prepare" and each.key), None)
    rows = HeldOut(shed.stage_dir(stage.key)) if stage is not None else None
    if rows is None or not rows.raw.exists() or version.task is None:
        raise UsageError(
            f"run {version.run_id} has no test rows here",
            expected="the rows that its `prepare` held out",
            todo=f"`trainshed --batch` in {run.project_dir} prepares them again",
        )
    return rows, run.spec.get("gate") or {}


def _one_of(value: Any, known: Sequence[str], what: str) -> Any:
    if value not in known:
        raise UsageError(
            f'no {what} "{value}"', expected=", ".join(known[:20]) or f"no {what} at all", todo=nearest(value, known)
        )
    return value
