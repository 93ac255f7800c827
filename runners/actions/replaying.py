"""What would change with another version: logged requests are answered again, or a shadow's answers are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from runners.evaluation import replayed
from runners.evaluation.replayed import Changed, Pair
from runners.packaging.signature import Signature
from runners.serving import following
from runners.serving.records import plain_record
from runners.serving.refusals import Refused
from runners.serving.session import Entry, Loaded
from storage import predictions
from storage.errors import UsageError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.read import runs as read_runs
from storage.serve_section import of_endpoint
from storage.shed import Shed
from storage.tables import Endpoint, ModelVersion

PART = 1000  # rows that are answered at a time
MOST_SHADOWED = 100_000

Progress = Callable[[int, int], bool]


@dataclass(frozen=True)
class Replay:
    """What would change for the callers of an endpoint.

    Attributes:
        before: the versions that answered, by how many rows.
        after: the version that is compared with them.
        asked: logged rows; `unanswerable` are those that the version cannot take, with the first reason in `why`.
        whole, slices: see Changed.
        examples: the rows whose prediction changes most.
    """

    model: str
    endpoint: str
    before: dict[int, int]
    after: int
    asked: int
    unanswerable: int
    why: str
    whole: Changed
    slices: list[Changed]
    examples: list[Pair]


def replay(
    shed: Shed,
    model: str,
    version: str | None = None,
    *,
    last: int = 10_000,
    endpoint: str | None = None,
    slices: Sequence[str] = (),
    progress: Progress | None = None,
) -> Replay:
    """Answer the newest logged requests again with another version.

    Args:
        version: an alias or a number; by default the candidate.
        last: so many rows, the newest.
        endpoint: whose log; by default that of the model.
        slices: columns; by default those of the gate, else the inputs with few values.
        progress: called with rows done and all rows; when it returns False, what was answered so far is all.

    Raises:
        UsageError: there is no such version or log, the log does not hold what the version needs, or nothing is logged.
        RunFailed, ShedError: the version cannot be loaded.
    """
    found = _endpoint(shed, model, endpoint)
    candidate = read_models.version(shed, model, version or "candidate")
    signature = Signature.from_json(candidate.signature)
    _whole_inputs(found, signature)
    loaded = _loaded(shed, model, candidate, signature)
    query = (
        'select id, "row", inputs, output, truth->>\'$\', "version" from predictions order by "at" desc, "row" limit ?'
    )
    rows = _logged(shed, found, query, last)
    pairs: list[Pair] = []
    before: dict[int, int] = {}
    unanswerable, why = 0, ""
    for start in range(0, len(rows), PART):
        part = rows[start : start + PART]
        answers = _answered(loaded, [inputs for _, _, inputs, *_ in part])
        for (request, row, inputs, output, truth, number), entry in zip(part, answers, strict=True):
            if isinstance(entry, Refused):
                unanswerable, why = unanswerable + 1, why or _told(entry)
                continue
            before[number] = before.get(number, 0) + 1
            pairs.append(Pair(request, row, inputs, _first(output), _first(entry), truth))
        if progress is not None and not progress(start + len(part), len(rows)):
            break
    told = replayed.difference(signature, pairs, slices or _of_gate(shed, candidate, signature))
    return Replay(
        model, found.name, before, candidate.number, len(pairs) + unanswerable, unanswerable, why, told.whole,
        told.slices, told.examples,
    )  # fmt: skip


def shadowed(shed: Shed, endpoint: str, *, last: int = MOST_SHADOWED, slices: Sequence[str] = ()) -> Replay:
    """Where a shadow said something else than production did, of the shadow that goes on or was the last.

    Raises:
        UsageError: there was no shadow, or it has not answered anything yet.
    """
    found = read_endpoints.named(shed, endpoint)
    row = next((each for each in read_rollouts.history(shed, endpoint) if each.kind == "shadow"), None)
    if row is None:
        raise UsageError(
            f'endpoint "{endpoint}" had no shadow', todo=f"`trainshed endpoints shadow start {endpoint}` begins one"
        )
    _, second = read_models.version_by_id(shed, row.version_id)
    signature = Signature.from_json(second.signature)
    query = (
        'select s.id, s."row", s.inputs, p.output, s.output, p.truth->>\'$\', p."version" from shadows s '
        'join predictions p using (id, "row") where s.digest = ? and s."at" >= ? order by s."at" desc limit ?'
    )
    rows = _logged(shed, found, query, second.digest, row.started_at, last)
    before: dict[int, int] = {}
    pairs = []
    for request, place, inputs, output, other, truth, number in rows:
        before[number] = before.get(number, 0) + 1
        pairs.append(Pair(request, place, inputs, _first(output), _first(other), truth))
    told = replayed.difference(signature, pairs, slices or _of_gate(shed, second, signature))
    return Replay(row.model, endpoint, before, second.number, len(pairs), 0, "", told.whole, told.slices, told.examples)


def _endpoint(shed: Shed, model: str, name: str | None) -> Endpoint:
    if name is not None:
        found = read_endpoints.named(shed, name)
        if found.model != model:
            raise UsageError(f'endpoint "{name}" serves {found.model}')
        return found
    known = [each for each in read_endpoints.every(shed) if each.model == model]
    if not known:
        read_models.row(shed, model)
        raise UsageError(f"no endpoint has served {model}", todo=f"trainshed endpoints start {model}")
    return min(known, key=lambda each: (each.name != model, each.name))


def _whole_inputs(endpoint: Endpoint, signature: Signature) -> None:
    rules = of_endpoint(endpoint.name, endpoint.settings).log
    missing = [given.name for given in signature.inputs if given.name in {*rules.drop, *rules.hash}]
    if missing:
        raise UsageError(f"the log does not keep {', '.join(missing)} as it was ([serve.log] drop and hash)")


def _loaded(shed: Shed, model: str, version: ModelVersion, signature: Signature) -> Loaded:
    shed.objects.verify(version.digest)
    described, _ = following.described(shed, model, version)
    return Loaded(replace(described, example=plain_record(signature)))


def _logged(shed: Shed, endpoint: Endpoint, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """Rows of the log, JSON read; raises UsageError where there are none."""
    folder: Path = shed.endpoint_dir(endpoint.name) / "log"
    with predictions.connect(folder) as con:
        found = con.execute(query, list(given))
        names = [column[0] for column in found.description or []]
        rows = found.fetchall()
    if not rows:
        raise UsageError(f'endpoint "{endpoint.name}" has logged nothing of that yet')
    of_json = [place for place, name in enumerate(names) if name in ("inputs", "output")]
    return [_read(row, of_json) for row in rows]


def _read(row: tuple[Any, ...], of_json: Sequence[int]) -> tuple[Any, ...]:
    return tuple(json.loads(v) if place in of_json and isinstance(v, str) else v for place, v in enumerate(row))


def _answered(loaded: Loaded, rows: list[dict[str, Any]]) -> list[Entry | Refused]:
    """One prediction a row, or why the version does not take it."""
    try:
        feeds, _ = loaded.form.several(msgspec.json.encode(rows), len(rows))
    except Refused as err:
        if len(rows) == 1:
            return [err]
        middle = len(rows) // 2
        return _answered(loaded, rows[:middle]) + _answered(loaded, rows[middle:])
    return list(loaded.entries(loaded.run(feeds)))


def _told(err: Refused) -> str:
    return f"{err.field}: {err.message}" if err.field is not None else err.message


def _first(entry: dict[str, Any]) -> Any:
    return next(iter(entry.values()))


def _of_gate(shed: Shed, version: ModelVersion, signature: Signature) -> list[str]:
    gate = read_runs.run(shed, version.run_id).spec.get("gate") or {}
    return [str(name) for name in gate.get("slices") or [] if name in {given.name for given in signature.inputs}]
