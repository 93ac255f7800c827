"""Flips: the rows to which a version gives another answer than the one in production, looked at before one signs.

Both packaged models are asked again, from the raw columns, about the test rows or what an endpoint was asked, a batch
at a time. What is kept of a row is a few numbers, and only of rows that flip: memory does not grow with their columns
or classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from runners.actions.models import parsed_reference
from runners.evaluation import disagreement, logged
from runners.evaluation.disagreement import Answers
from runners.evaluation.flipping import Asked, Count, SliceFlips
from runners.evaluation.heldout import HeldOut
from runners.evaluation.slices import Groups, grouped
from runners.packaging.scoring import Scorer
from runners.packaging.signature import Signature
from storage.errors import UsageError, nearest
from storage.project import Task
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import ModelVersion

LAST = 10_000  # logged rows that are asked, the newest

Order = Literal["change", "row", "before", "after"]
Which = Literal["all", "better", "worse"]
Progress = Callable[[int, int], bool]


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
        source: what was asked, in words: `test rows`, or `logged rows of` an endpoint.
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
    source: str
    rows: int
    flips: int
    better: int
    worse: int
    slices: list[SliceFlips]
    least_rows: int
    kept: int
    _answers: Answers = field(repr=False)
    _source: Asked = field(repr=False)
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


def flips(
    shed: Shed,
    reference: str,
    *,
    against: str | None = None,
    endpoint: str | None = None,
    last: int = LAST,
    progress: Progress | None = None,
) -> Flips:
    """Find the rows on which a version and another one of the same model disagree.

    Args:
        reference: MODEL[@VERSION]; by default the newest version.
        against: the other version; by default production, or what was production before where it is that itself.
        endpoint: whose log is asked, its `last` rows; by default the test rows of the version's run are.
        progress: called with rows done and all rows; when it returns False, what was found so far is all.

    Raises:
        UsageError: no such version or endpoint, nothing to compare it with, or no rows are kept.
        DataInvalid: the rows lack a column that the other version needs.
        RunFailed: a model cannot be run.
        ShedError: a packaged model is damaged.
    """
    name, which = parsed_reference(reference)
    row = read_models.row(shed, name)
    if which is None and row.versions:
        which = f"v{row.versions[0].number}"
    version = read_models.version(shed, name, which)
    other = _other(shed, name, version, row.aliases, against)
    gate = read_runs.run(shed, version.run_id).spec.get("gate") or {}
    cut_by, least_rows = [str(column) for column in gate.get("slices") or []], int(gate.get("min_slice_rows") or 0)
    ours, theirs = Signature.from_json(version.signature), Signature.from_json(other.signature)
    if ours.task != theirs.task:
        raise UsageError(
            f"v{version.number} is {ours.task} and v{other.number} is {theirs.task}: their answers do not compare"
        )
    folder = None
    if endpoint is None:
        rows = _test_rows(shed, version)
    else:
        log = shed.endpoint_dir(read_endpoints.named(shed, endpoint).name) / "log"
        folder = tempfile.TemporaryDirectory(prefix="flips-", dir=shed.tmp)
        rows = logged.lay_out(log, (theirs, ours), last, Path(folder.name))
        known = {given.name: given for given in ours.inputs}
        cut_by = [name for name in cut_by if name in known] or [n for n, each in known.items() if each.categories]
    classes = tuple(dict.fromkeys((*ours.classes, *theirs.classes)))
    first = [*cut_by, *(each.name for each in ours.inputs)]
    source = Asked(rows, ours.task, classes, first, ours.target or "", folder)
    groups = {column: grouped(values) for column in cut_by for values in rows.columns([column]).values()}
    count = Count(ours.task, groups)
    scorers = (Scorer(shed.objects.verify(each.digest), told) for each, told in ((other, theirs), (version, ours)))
    for answers in source.answers(*scorers):
        count.take(answers)
        if progress is not None and not progress(count.rows, len(rows.target)):
            break
    return Flips(
        model=name,
        before=other.number,
        after=version.number,
        task=ours.task,
        source=f"logged rows of {endpoint}" if endpoint is not None else "test rows",
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


def _test_rows(shed: Shed, version: ModelVersion) -> HeldOut:
    stage = next((each for each in read_runs.stages(shed, version.run_id) if each.name == "prepare" and each.key), None)
    rows = HeldOut(shed.stage_dir(stage.key)) if stage is not None else None
    if rows is None or not rows.raw.exists() or version.task is None:
        raise UsageError(
            f"run {version.run_id} has no test rows here",
            expected="the rows that its `prepare` held out",
            todo=f"`trainshed --batch` in {read_runs.run(shed, version.run_id).project_dir} prepares them again",
        )
    return rows


def _one_of(value: Any, known: Sequence[str], what: str) -> Any:
    if value not in known:
        raise UsageError(
            f'no {what} "{value}"', expected=", ".join(known[:20]) or f"no {what} at all", todo=nearest(value, known)
        )
    return value
