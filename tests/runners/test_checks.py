"""Which differences between the files of a table stop the pipeline, and which are only told."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from runners.checks import file_checks
from storage.manifests import Column, Entry, Manifest

A, B, FURTHER = Column("a", "number", "DOUBLE"), Column("b", "text", "VARCHAR"), Column("c", "text", "VARCHAR")


def files(*schemas: list[Column]) -> Manifest:
    entries = [Entry(f"{place}.csv", 1, str(place), 1, 1, 5, str(place)) for place in range(len(schemas))]
    named = [entry._replace(schema=repr(schema)) for entry, schema in zip(entries, schemas, strict=True)]
    return Manifest("table", {"data": named}, {repr(schema): schema for schema in schemas})


@pytest.mark.parametrize(
    ("schemas", "needed", "told"),
    [
        ([[A, B], [A, B]], {"a"}, []),
        ([[A, B], [A, B], [A, B, FURTHER]], {"a"}, [("warn", '2.csv: column "c" is not in the other files')]),
        ([[A, B], [A, B], [A, B, FURTHER]], None, [("warn", '2.csv: column "c" is not in the other files')]),
        ([[A, B, FURTHER], [A, B, FURTHER], [A, B]], {"a"}, [("warn", '2.csv: column "c" is missing')]),
        ([[A, B, FURTHER], [A, B, FURTHER], [A, B]], {"c"}, [("stop", '2.csv: column "c" is missing')]),
        ([[A, B, FURTHER], [A, B, FURTHER], [A, B]], None, [("stop", '2.csv: column "c" is missing')]),
        (
            [[A], [A], [Column("a", "text", "VARCHAR")]],
            set(),
            [("stop", '2.csv: column "a" is text, in the other files number')],
        ),
    ],
)
def test_a_column_that_only_some_files_have_stops_where_it_is_needed(
    schemas: list[list[Column]], needed: Collection[str] | None, told: list[tuple[str, str]]
) -> None:
    assert [(found.on_fail, found.text) for found in file_checks(files(*schemas), needed)] == told
