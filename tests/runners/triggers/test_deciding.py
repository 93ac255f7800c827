"""What changes call for, and which schemas fit."""

from __future__ import annotations

from runners.triggers.deciding import decide, skew
from storage.dataset_diff import diff
from storage.manifests import Column, Entry, Manifest
from storage.trigger_section import TriggerSection

A, B = Column("a", "number", "DOUBLE"), Column("b", "text", "VARCHAR")


def manifest(**files: int) -> Manifest:
    entries = [Entry(name, 1, f"{name}{rows}", 1, 1, rows, "s") for name, rows in files.items()]
    return Manifest("table", {"data": entries}, {"s": [A, B]})


def decided(old: Manifest, new: Manifest, **options: object) -> tuple[str, str]:
    found = decide(TriggerSection.model_validate({"on": "new-data", **options}), diff(old, new))
    return found.decision, found.why


def test_new_rows_are_learnt_from() -> None:
    assert decided(manifest(x=10), manifest(x=10, y=5)) == ("retrain", "y added, +5 rows")
    assert decided(manifest(x=10), manifest(x=12), do="wait") == ("wait", "x changed, +2 rows")


def test_too_few_rows_are_not() -> None:
    decision, why = decided(manifest(x=10), manifest(x=10, y=5), min_rows=6)
    assert (decision, why) == ("nothing", "y added: 5 new rows, fewer than min_rows = 6")


def test_deletions_alone_teach_nothing() -> None:
    assert decided(manifest(x=10, y=5, z=2), manifest(x=10))[0] == "nothing"


def test_a_schema_fits_where_all_its_columns_go_together() -> None:
    known = manifest(x=10)
    assert skew(known, "data", [A, B, Column("c", "text", "VARCHAR")], 5) == []
    assert skew(known, "data", [Column("a", "integer", "BIGINT"), Column("b", "integer", "BIGINT")], 5) == []
    assert skew(known, "data", [Column("a", "text", "VARCHAR"), B], 0) == []


def test_a_schema_that_does_not_fit_is_told_by_column() -> None:
    known = manifest(x=10)
    assert skew(known, "data", [A], 5) == ["column b is missing"]
    assert skew(known, "data", [Column("a", "text", "VARCHAR"), B], 5) == ["column a is text, it was number"]
    assert skew(known, "data", [A, Column("bb", "text", "VARCHAR")], 5) == ["column b was likely renamed to bb"]
