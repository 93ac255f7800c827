"""Looking through the rows of a dataset version, however many: filtered, sorted, page by page, or by SQL."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.actions.dataset_views import with_tables
from runners.actions.datasets import resolve
from runners.opening import manifest_of, open_tables
from storage import frames
from storage.columns import identifier
from storage.errors import DataInvalid, UsageError
from storage.project import load_project
from storage.shed import Shed
from storage.sql import plain, select_only

DATA = "data"
MOST_COUNTED = 4  # counts that are remembered


@dataclass(frozen=True)
class Look:
    """What rows are wanted: of a table, `data`, or of one SELECT (`sql`); `where` is an expression of its columns."""

    source: str = DATA
    sql: str = ""
    where: str = ""
    order: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Rows:
    """A window of the rows that fit: they begin at place `first` of `total`."""

    look: Look
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    first: int
    total: int


class Browser:
    """An open dataset version. One question at a time; another thread may `interrupt` it."""

    def __init__(self, shed: Shed, reference: str, project_query: str | None = None) -> None:
        """Raises UsageError or DataInvalid as `trainshed data query` does."""
        dataset, version = resolve(shed, reference)
        manifest = with_tables(manifest_of(shed, version), dataset)
        self.note = ""
        try:
            self._con = open_tables(shed, manifest, project_query)
        except DataInvalid as err:
            if project_query is None:
                raise
            # An older version may lack what the project asks for today; its tables can be looked at all the same.
            self.note = f"the project's query does not run on this version: {err.message}"
            self._con = open_tables(shed, manifest)
        self.tables = list(dict.fromkeys([*([DATA] if project_query and not self.note else []), *manifest.tables]))
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._kinds: dict[str, tuple[list[str], list[str]]] = {}

    def rows(self, look: Look, first: int, count: int) -> Rows:
        """A window of the rows.

        Raises:
            UsageError: when the SQL or the filter cannot run, or it was interrupted.
            DataInvalid: naming a file that is damaged.
        """
        with self._lock:
            source = self._source(look)
            columns, types = self._described(source)
            if look.order and look.order not in columns:
                raise UsageError(f'no column "{look.order}" here', expected=", ".join(columns[:20]))
            filtered = f"select * from {source}" + (f" where (\n{look.where}\n)" if look.where else "")
            total = self._count(filtered)
            found = self._window(look, filtered, first, count, total)
            return Rows(look, columns, types, found, first, total)

    def interrupt(self) -> None:
        """End the question under way: whoever asked it gets a UsageError."""
        self._con.interrupt()

    def close(self) -> None:
        self.interrupt()
        with self._lock:
            self._con.close()

    def _source(self, look: Look) -> str:
        if not look.sql:
            return identifier(look.source)
        select_only(look.sql)
        return f"(\n{plain(look.sql)}\n)"

    def _described(self, source: str) -> tuple[list[str], list[str]]:
        if source not in self._kinds:
            _, rows = frames.query(self._con, f"describe select * from {source}")
            self._kinds[source] = [row[0] for row in rows], [row[1] for row in rows]
        return self._kinds[source]

    def _count(self, filtered: str) -> int:
        if filtered not in self._counts:
            if len(self._counts) >= MOST_COUNTED:
                self._counts.clear()
            _, rows = frames.query(self._con, f"select count(*) from (\n{filtered}\n)")
            self._counts[filtered] = int(rows[0][0])
        return self._counts[filtered]

    def _window(self, look: Look, filtered: str, first: int, count: int, total: int) -> list[tuple[Any, ...]]:
        count = max(0, min(count, total - first))
        if not look.order:
            return frames.query(self._con, f"{filtered} limit {int(count)} offset {int(first)}")[1]
        # The nearer end is sorted for: the last page of many is then as quick as the first.
        backwards = first > total / 2
        down = look.descending != backwards
        place = total - first - count if backwards else first
        order = f"{identifier(look.order)} {'desc' if down else 'asc'} nulls {'first' if backwards else 'last'}"
        _, rows = frames.query(self._con, f"{filtered} order by {order} limit {int(count)} offset {int(place)}")
        return rows[::-1] if backwards else rows


def project_query(project_dir: Path | None, dataset: str) -> str | None:
    """The SQL of the project there, where its dataset is this one; None where it has none or cannot be read."""
    if project_dir is None:
        return None
    try:
        spec = load_project(project_dir)
    except (UsageError, OSError):
        return None
    return spec.dataset.query if spec.dataset.name == dataset else None
