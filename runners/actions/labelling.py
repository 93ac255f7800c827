"""The verbs of labels: what to ask people about, their answers, how far they agree, and what the answers were worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runners.actions import predictions as read_log
from runners.labelling import agreeing, batches, choosing, gaining
from runners.labelling.agreeing import Agreement
from runners.labelling.batches import LabelledRow
from runners.labelling.choosing import Asked
from runners.labelling.gaining import Gain
from runners.monitoring import samples
from runners.opening import manifest_of
from runners.packaging.signature import Signature
from storage import predictions
from storage.errors import UsageError, nearest
from storage.hashing import hash_bytes
from storage.project import ProjectSpec, load_project
from storage.read import datasets as read_datasets
from storage.read import endpoints as read_endpoints
from storage.read import labels as read_labels
from storage.read import models as read_models
from storage.shed import Shed, current_user
from storage.tables import Label
from storage.write import labels as write_labels

__all__ = [
    "Agreement",
    "Batch",
    "Candidate",
    "Gain",
    "Queue",
    "State",
    "answer",
    "finish",
    "queue",
    "state",
    "take_back",
]

COUNT = 20
DRAWN = 20_000  # the newest predictions, from which is chosen
SECOND_OPINIONS = 5  # one in so many was labelled by somebody else: people's agreement is measured on these
HELD_OUT = 5  # one in so many is not learnt from
KEYS = "123456789abcdefghijklmnoprtvwxyz"  # not s, u and q: skip, undo, quit


@dataclass(frozen=True)
class Candidate:
    """A prediction to be labelled.

    Attributes:
        id, row: the request, and the place in it.
        values: the inputs, by column.
        prediction: what the model said, as a person reads it; `share` the probability that goes with it.
        why: why this one is asked, in words.
        held_out: whether its label is kept to measure on, and not learnt from.
    """

    id: str
    row: int
    version: int
    values: dict[str, Any]
    prediction: Any
    share: float | None
    why: str
    held_out: bool


@dataclass(frozen=True)
class Queue:
    """What to ask a person about. `keys` are one key a label, in the order of the classes; none for a number."""

    project: str
    endpoint: str
    target: str
    classes: tuple[str, ...]
    keys: dict[str, str]
    candidates: list[Candidate]


@dataclass(frozen=True)
class Batch:
    """Labels that were saved as a version of a dataset.

    Attributes:
        learnt, held_out: how many rows are to be learnt from, and to be measured on.
        disputed: rows on which as many say one thing as another; they wait for one more opinion.
        read: whether the project's `[dataset]` takes the file in; `path` is None where all rows are held out.
    """

    dataset: str
    version: int
    learnt: int
    held_out: int
    disputed: int
    path: Path | None
    read: bool


@dataclass(frozen=True)
class State:
    """Labels by person, how many are not saved yet, how far people agree, and what the last batch was worth."""

    project: str
    by: dict[str, int] = field(default_factory=dict)
    unsaved: int = 0
    batches: int = 0
    agreement: list[Agreement] = field(default_factory=list)
    gain: Gain | None = None


def queue(
    shed: Shed, project_dir: Path, *, endpoint: str | None = None, count: int = COUNT, by: str | None = None
) -> Queue:
    """The rows of an endpoint's log most worth a person's look, without those that this person labelled.

    By turns come one that the model was unsure of and one unlike what it was trained on; one in five was labelled by
    somebody else before, so that people can be compared.

    Raises:
        UsageError: nothing of the project serves, its model takes no columns, or there is no such endpoint.
    """
    spec, person = load_project(project_dir), by or current_user()
    served = _endpoint(shed, spec, endpoint)
    version = read_models.version(shed, spec.project.name)
    signature = Signature.from_json(version.signature)
    if signature.target is None:
        raise UsageError("only the rows of tables are labelled here", place=str(project_dir), expected='kind = "table"')
    given = read_labels.of_project(shed, spec.project.name)
    mine = {(label.request, label.row) for label in given if label.by == person}
    rows = {
        (row["id"], row["row"]): row
        for row in predictions.without_truth(shed.endpoint_dir(served) / "log", DRAWN)
        if (row["id"], row["row"]) not in mine
    }
    others = {(label.request, label.row): label for label in reversed(given) if label.by != person}
    again = [key for key in rows if key in others][: count // SECOND_OPINIONS]
    asked = [Asked(key, row["inputs"], row["output"]) for key, row in rows.items() if key not in others]
    trained: Mapping[str, list[Any]] = {}
    if asked and version.dataset_version_id is not None:
        data = read_datasets.version_by_id(shed, version.dataset_version_id)[1]
        trained = samples.of_version(shed, spec, manifest_of(shed, data))
    chosen = choosing.choose(asked, trained, signature.classes, count - len(again))
    whys = {key: f"a second opinion: {others[key].why}" for key in again} | {c.asked.key: c.why for c in chosen}
    return _queue(spec, served, signature, [_candidate(rows[key], why) for key, why in whys.items()])


def queue_of(shed: Shed, project_dir: Path, request: str, row: int, *, endpoint: str | None = None) -> Queue:
    """A queue of this one prediction. Raises UsageError as `queue`, and where the log has no such prediction."""
    spec = load_project(project_dir)
    served = _endpoint(shed, spec, endpoint)
    found = predictions.by_id(shed.endpoint_dir(served) / "log", request)
    chosen = [each for each in found if each["row"] == row]
    if not chosen:
        raise UsageError(f"{served} has no prediction {request}, row {row}", todo="`trainshed label queue` lists some")
    signature = Signature.from_json(read_models.version(shed, spec.project.name).signature)
    return _queue(spec, served, signature, [_candidate(chosen[0], "asked for by its id")])


def answer(shed: Shed, asked: Queue, candidate: Candidate, label: str, *, by: str | None = None) -> Label:
    """What a person says of a candidate; said again it replaces what they said before.

    Raises:
        UsageError: it is no class of the model (or no number, where one is asked), or is in a batch already.
    """
    if asked.classes and label not in asked.classes:
        raise UsageError(
            f"{asked.target} is never {label!r}", expected=", ".join(asked.classes), todo=nearest(label, asked.classes)
        )
    if not asked.classes:
        _checked_number(asked.target, label)
    return write_labels.give(
        shed, project=asked.project, endpoint=asked.endpoint, key=(candidate.id, candidate.row),
        version=candidate.version, inputs=candidate.values, why=candidate.why, label=label,
        held_out=candidate.held_out, by=by,
    )  # fmt: skip


def take_back(shed: Shed, asked: Queue, candidate: Candidate, *, by: str | None = None) -> bool:
    """Undo an answer; False where there was none. Raises UsageError where it was saved already."""
    return write_labels.take_back(shed, asked.project, (candidate.id, candidate.row), by=by)


def state(shed: Shed, project_dir: Path) -> State:
    """Raises UsageError when the project cannot be read."""
    spec = load_project(project_dir)
    name = spec.project.name
    given = read_labels.of_project(shed, name)
    by: dict[str, int] = {}
    for label in given:
        by[label.by] = by.get(label.by, 0) + 1
    known = read_datasets.find(shed, batches.dataset_name(name))
    versions = read_datasets.versions(shed, known.name) if known is not None else []
    worth = gaining.gain(shed, name, project_dir, versions[-1], spec.gate.metric) if versions else None
    unsaved = sum(label.batch is None for label in given)
    return State(name, by, unsaved, len(versions), agreeing.agreements(_by_person(given)), worth)


def finish(shed: Shed, project_dir: Path) -> Batch:
    """Save what was labelled and is undisputed as a new version of the project's dataset of labels, with who said it.

    Raises:
        UsageError: when there is nothing to save, or the project cannot be written to.
    """
    spec = load_project(project_dir)
    name = spec.project.name
    given = read_labels.of_project(shed, name)
    open_ = [label for label in given if label.batch is None]
    saved = {(label.request, label.row) for label in given if label.batch is not None}
    settled, disputed = agreeing.verdicts(_by_person(open_))
    fresh = {key: label for key, label in settled.items() if key not in saved}  # of the others, opinions alone are new
    if not fresh:
        todo = "one more opinion on them" if disputed else f"trainshed label start -p {project_dir}"
        raise UsageError(f"no labels to save, {len(disputed)} disputed", todo=todo)
    signature = Signature.from_json(read_models.version(shed, name).signature)
    known = read_datasets.find(shed, batches.dataset_name(name))
    number = 1 + (read_datasets.version(shed, known.name).number if known is not None else 0)
    rows = {
        held: [_row(open_, key, label) for key, label in fresh.items() if _held_out(key) is held]
        for held in (False, True)
    }
    paths = {
        held: batches.write(project_dir, number, signature, each, held_out=held) for held, each in rows.items() if each
    }
    people = ", ".join(sorted({label.by for label in open_}))
    added = batches.add(shed, name, project_dir, f"{len(fresh)} labels by {people}")
    ids = [label.id or 0 for label in open_ if (label.request, label.row) in settled]
    write_labels.into_batch(shed, name, ids, added.version.number)
    taken = any(glob.startswith(batches.FOLDER) for globs in spec.dataset.globs.values() for glob in globs)
    return Batch(
        added.dataset.name,
        added.version.number,
        len(rows[False]),
        len(rows[True]),
        len(disputed),
        paths.get(False),
        taken,
    )


def _endpoint(shed: Shed, spec: ProjectSpec, given: str | None) -> str:
    if given is not None:
        return read_endpoints.named(shed, given).name
    serving = [each for each in read_endpoints.every(shed) if each.model == spec.project.name]
    if not serving:
        raise UsageError(
            f"nothing has served {spec.project.name} yet, so there is nothing to label",
            todo=f"trainshed endpoints start {spec.project.name}",
        )
    return max(serving, key=lambda each: each.started_at or 0).name


def _queue(spec: ProjectSpec, served: str, signature: Signature, candidates: list[Candidate]) -> Queue:
    if signature.target is None:
        raise UsageError("only the rows of tables are labelled here", place="[dataset]", expected="a table")
    keys = {KEYS[place]: name for place, name in enumerate(signature.classes[: len(KEYS)])}
    return Queue(spec.project.name, served, signature.target, signature.classes, keys, candidates)


def _candidate(row: dict[str, Any], why: str) -> Candidate:
    value, share = read_log.read_out(row["output"])
    key = row["id"], row["row"]
    return Candidate(*key, row["version"], row["inputs"], value, share, why, _held_out(key))


def _held_out(key: tuple[str, int]) -> bool:
    """The same rows whoever labels them, whenever."""
    return int(hash_bytes(repr(key).encode())[:8], 16) % HELD_OUT == 0


def _by_person(labels: list[Label]) -> dict[str, dict[tuple[str, int], str]]:
    said: dict[str, dict[tuple[str, int], str]] = {}
    for label in labels:
        said.setdefault(label.by, {})[(label.request, label.row)] = label.label
    return said


def _row(labels: list[Label], key: tuple[str, int], settled: str) -> LabelledRow:
    its = [label for label in labels if (label.request, label.row) == key]
    return LabelledRow(
        its[0].inputs,
        settled,
        {
            "asked_because": its[0].why,
            "labelled_by": ", ".join(label.by for label in its if label.label == settled),
            "labelled_at": datetime.fromtimestamp(max(label.at for label in its), UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "request": key[0],
            "row": key[1],
        },
    )


def _checked_number(target: str, label: str) -> None:
    try:
        float(label)
    except ValueError:
        raise UsageError(f"{target} is a number, not {label!r}") from None
