"""The verb that takes runs of another shed or another tool into this one."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from runners.importing import finding
from runners.importing.sources import Entry, Problem, Store, checked_project
from storage.errors import DataInvalid
from storage.read.origins import origins
from storage.shed import Shed
from storage.write import imported

Progress = Callable[[str, int, int], None]


@dataclass
class Found:
    """What an import came to, or would come to.

    Attributes:
        kind, place: of the store.
        runs: what was taken in, or would be: of each project how many.
        ids: their numbers here; none in a dry run.
        known: how many are here already.
        deleted, unfinished: how many were left out since they are so in their store.
        problems: runs that cannot be read, each with its file.
    """

    kind: str
    place: str
    runs: Counter[str] = field(default_factory=Counter)
    ids: list[int] = field(default_factory=list)
    known: int = 0
    deleted: int = 0
    unfinished: int = 0
    problems: list[Problem] = field(default_factory=list)


def import_runs(
    shed: Shed,
    place: str,
    *,
    project: str | None = None,
    unfinished: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Take in every run of a store that is not here yet, each wholly or not at all.

    `project` files them all under one name; otherwise each under its own, or its experiment's. With `unfinished` those
    that had not ended are taken in too, as stopped.

    Raises:
        UsageError: there is no store at the place, or the project's name breaks the rule.
        DataInvalid: the store as a whole cannot be read. A run that cannot be is a problem, and the others go on.
    """
    if project is not None:
        checked_project(project)
    with (
        tempfile.TemporaryDirectory(dir=shed.tmp, prefix="import-") as spool,
        finding.opened(place, Path(spool)) as store,
    ):
        found = Found(store.kind, store.place, problems=store.problems)
        here = origins(shed)
        wanted = _wanted(store, here, found, unfinished)
        for number, entry in enumerate(wanted, 1):
            if dry_run:
                found.runs[project or entry.project] += 1
                continue
            try:
                run_id = _take_in(shed, entry, project, here)
            except DataInvalid as err:
                found.problems.append(Problem(err.place or entry.place, err.message))
            else:
                _count(found, entry, project, run_id, here)
            if progress:
                progress("importing", number, len(wanted))
    return found


def _wanted(store: Store, here: dict[str, int], found: Found, unfinished: bool) -> list[Entry]:
    """The runs to take in, the oldest first, so that the newest has the highest number; the others are counted."""
    wanted = []
    for entry in store.entries:
        if entry.origin in here:
            found.known += 1
        elif entry.left_out == "deleted":
            found.deleted += 1
        elif entry.left_out == "unfinished" and not unfinished:
            found.unfinished += 1
        else:
            wanted.append(entry)
    return sorted(wanted, key=lambda entry: (entry.started_at or 0.0, entry.origin))


def _take_in(shed: Shed, entry: Entry, project: str | None, here: dict[str, int]) -> int | None:
    run = entry.read()
    if project is not None:
        run = replace(run, project=project)
    if entry.parent in here:
        run = replace(run, tags=(*run.tags, f"child-of-{here[entry.parent]}"))
    return imported.add(shed, run)


def _count(found: Found, entry: Entry, project: str | None, run_id: int | None, here: dict[str, int]) -> None:
    if run_id is None:  # somebody else imports the same at the same time
        found.known += 1
        return
    here[entry.origin] = run_id
    found.ids.append(run_id)
    found.runs[project or entry.project] += 1
