"""Runs: lists that filter and sort in the database, and one run with all that belongs to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, nulls_last, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from storage.errors import UsageError, nearest
from storage.filters import Term, parse
from storage.shed import Shed
from storage.tables import Artifact, Run, RunMetric, RunNote, RunParam, RunTag, Stage

COLUMNS = {
    "id": Run.id,
    "name": Run.name,
    "project": Run.project,
    "status": Run.status,
    "user": Run.user,
    "host": Run.host,
    "created_at": Run.created_at,
    "started_at": Run.started_at,
    "ended_at": Run.ended_at,
    "commit": Run.commit,
    "code": Run.code,
}
OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "~": lambda column, value: func.instr(func.lower(column), str(value).lower()) > 0,
}


@dataclass
class RunRow:
    """A run as a list shows it."""

    run: Run
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, RunMetric] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


def page(
    shed: Shed,
    filter_text: str = "",
    *,
    sort: str = "-id",
    limit: int = 50,
    offset: int = 0,
    project: str | None = None,
) -> list[RunRow]:
    """A page of runs. `sort` is a column, param or metric name, with a leading `-` for descending.

    Raises:
        UsageError: for a filter that cannot be read.
    """
    with shed.reading() as session:
        # Ids first: sorting whole rows, with what they froze, would move far more than the page shows.
        return _rows(session, _page_of_ids(session, filter_text, project, sort, limit, offset))


def rows(shed: Shed, ids: Sequence[int]) -> list[RunRow]:
    """These runs in this order; one that is not there is left out."""
    with shed.reading() as session:
        return _rows(session, ids)


def ids(shed: Shed, filter_text: str = "", *, project: str | None = None) -> list[int]:
    """The numbers of all runs that fit, the oldest first."""
    with shed.reading() as session:
        query = _filtered(session, select(Run.id), filter_text, project).order_by(col(Run.id))
        return list(session.exec(query))  # type: ignore[call-overload]


def count(shed: Shed, filter_text: str = "", *, project: str | None = None) -> int:
    with shed.reading() as session:
        query = _filtered(session, select(func.count()).select_from(Run), filter_text, project)
        return int(session.exec(query).one())  # type: ignore[call-overload]


def run(shed: Shed, run_id: int) -> Run:
    """Raises UsageError when there is no such run."""
    with shed.reading() as session:
        found = session.get(Run, run_id)
    if found is None:
        raise UsageError(f"no run {run_id}", todo="`trainshed runs list` shows the runs there are")
    return found


def row(shed: Shed, run_id: int) -> RunRow:
    """One run with its params, metrics and tags. Raises UsageError when there is no such run."""
    return page(shed, f"id={run(shed, run_id).id}", limit=1)[0]


def stages(shed: Shed, run_id: int) -> list[Stage]:
    """The run's stages in the order they began."""
    with shed.reading() as session:
        return list(session.exec(select(Stage).where(Stage.run_id == run_id).order_by(col(Stage.id))))


def notes(shed: Shed, run_id: int) -> list[RunNote]:
    with shed.reading() as session:
        return list(session.exec(select(RunNote).where(RunNote.run_id == run_id).order_by(col(RunNote.at))))


def notes_of(shed: Shed, ids: Sequence[int]) -> dict[int, list[RunNote]]:
    """The notes of several runs, the oldest first."""
    found: dict[int, list[RunNote]] = defaultdict(list)
    with shed.reading() as session:
        for note in session.exec(select(RunNote).where(col(RunNote.run_id).in_(ids)).order_by(col(RunNote.at))):
            found[note.run_id].append(note)
    return found


def artifacts(shed: Shed, run_id: int) -> list[Artifact]:
    with shed.reading() as session:
        return list(session.exec(select(Artifact).where(Artifact.run_id == run_id).order_by(Artifact.name)))


def latest_with_identity(shed: Shed, identity: str) -> Run | None:
    """The newest run that froze exactly the same things."""
    with shed.reading() as session:
        return session.exec(select(Run).where(Run.identity == identity).order_by(col(Run.id).desc())).first()


def finished_stage(shed: Shed, key: str) -> Stage | None:
    """The newest stage that ended well under this key, whichever run it belonged to."""
    with shed.reading() as session:
        query = select(Stage).where(Stage.key == key, Stage.status == "done").order_by(col(Stage.id).desc())
        return session.exec(query).first()


def metric_names(shed: Shed) -> list[str]:
    with shed.reading() as session:
        return list(session.exec(select(RunMetric.name).distinct().order_by(RunMetric.name)))


def _rows(session: Session, ids: Sequence[int]) -> list[RunRow]:
    found = {run.id: run for run in session.exec(select(Run).where(col(Run.id).in_(ids)))}
    rows = {run_id: RunRow(found[run_id]) for run_id in ids if run_id in found}
    given = select(RunParam.run_id, RunParam.name, RunParam.text).where(col(RunParam.run_id).in_(rows))
    for run_id, name, text in session.exec(given):
        rows[run_id].params[name] = text
    for metric in session.exec(select(RunMetric).where(col(RunMetric.run_id).in_(rows))):
        rows[metric.run_id].metrics[metric.name] = metric
    for tag in session.exec(select(RunTag).where(col(RunTag.run_id).in_(rows)).order_by(RunTag.tag)):
        rows[tag.run_id].tags.append(tag.tag)
    return list(rows.values())


def param_names(shed: Shed) -> list[str]:
    """The names of all params that any run has."""
    with shed.reading() as session:
        return sorted(session.exec(select(RunParam.name).distinct()))


def _filtered(session: Session, query: Select[Any], text: str, project: str | None) -> Select[Any]:
    terms: dict[str, list[Term]] = defaultdict(list)
    for term in parse(text):
        terms[term.key].append(term)
    if project is not None:
        query = query.where(col(Run.project) == project)
    for key, group in terms.items():
        query = query.where(and_(*(_condition(session, key, term) for term in group)))
    return query


def _condition(session: Session, key: str, term: Term) -> ColumnElement[bool]:
    compare = OPERATORS[term.operator]
    if key == "tag":
        tagged = exists().where(col(RunTag.run_id) == col(Run.id), col(RunTag.tag) == term.text)
        return not_(tagged) if term.operator == "!=" else tagged
    if key in COLUMNS:
        value = term.number if key == "id" or key.endswith("_at") else term.text
        return compare(COLUMNS[key], value)
    ways: list[ColumnElement[bool]] = []
    if term.number is not None and _is_metric(session, key):
        held = compare(RunMetric.last, term.number)
        ways.append(exists().where(col(RunMetric.run_id) == col(Run.id), col(RunMetric.name) == key, held))
    if not ways or _is_param(session, key):
        ways.append(_param_condition(key, term, compare))
    return or_(*ways)


def _is_metric(session: Session, name: str) -> bool:
    return session.exec(select(RunMetric.name).where(RunMetric.name == name).limit(1)).first() is not None


def _is_param(session: Session, name: str) -> bool:
    return session.exec(select(RunParam.name).where(RunParam.name == name).limit(1)).first() is not None


def _param_condition(key: str, term: Term, compare: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    by_number = term.number is not None and term.operator != "~"
    value = compare(RunParam.number, term.number) if by_number else compare(RunParam.text, term.text)
    return exists().where(col(RunParam.run_id) == col(Run.id), col(RunParam.name) == key, value)


def _page_of_ids(
    session: Session, filter_text: str, project: str | None, sort: str, limit: int, offset: int
) -> list[int]:
    key, down = sort.removeprefix("-"), sort.startswith("-")
    if not key:
        raise UsageError("--sort needs a name", expected="a column, param or metric", todo=nearest(key, COLUMNS))
    if key in COLUMNS:
        query = _filtered(session, select(Run.id), filter_text, project)
        query = query.order_by(nulls_last(_ordered(COLUMNS[key], down)), col(Run.id).desc())
        return list(session.exec(query.limit(limit).offset(offset)))  # type: ignore[call-overload]
    of_metric = _is_metric(session, key)
    table: Any = aliased(RunMetric if of_metric else RunParam)
    value = table.last if of_metric else table.number
    held = and_(table.run_id == Run.id, table.name == key, value.is_not(None))
    # Those that have it come off the index in their order, so that the first page needs no look at all the others.
    having = _filtered(session, select(Run.id).join(table, held), filter_text, project)
    query = having.order_by(_ordered(value, down), col(Run.id).desc())
    ids: list[int] = list(session.exec(query.limit(limit).offset(offset)))  # type: ignore[call-overload]
    if len(ids) < limit:
        first = offset + len(ids) if ids else session.exec(select(func.count()).select_from(having.subquery())).one()
        rest = _filtered(session, select(Run.id).where(~exists().where(held)), filter_text, project)
        rest = rest.order_by(col(Run.id).desc()).limit(limit - len(ids)).offset(max(0, offset - first))
        ids += session.exec(rest)  # type: ignore[call-overload]
    return ids


def _ordered(column: Any, down: bool) -> Any:
    return column.desc() if down else column.asc()
