"""Writing the card of a dataset version, from its manifest, profiles, checks and what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.datasets.describing import compare, keep, table_profile
from runners.opening import manifest_of
from runners.reports.dataset_cards import CheckFacts, ColumnFacts, DatasetCardFacts, dataset_card
from storage.manifests import Manifest
from storage.profiles import ColumnProfile, Profile
from storage.read import datasets as read_datasets
from storage.read import lineage as read_lineage
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion

Checks = Sequence[Mapping[str, Any]]  # as the facts of the stage `validate` have them


def card_path(shed: Shed, name: str, number: int) -> Path:
    """Where the card of a version lies, or would lie."""
    return shed.dataset_dir(name) / f"card-v{number}.md"


def write_card(shed: Shed, name: str, number: int, checks: Checks | None = None) -> Path:
    """Write the card of a version, in place of an earlier one. Profiles that it needs are made, or found where kept.

    Without `checks` it tells those of the newest run that validated this version.

    Raises:
        UsageError: when there is no such version.
        DataInvalid: when a file is not what it was when the version was made.
    """
    version = read_datasets.version(shed, name, number)
    told = _newest_checks(shed, version) if checks is None else checks
    facts = _facts(shed, read_datasets.dataset(shed, name), version, told)
    path = card_path(shed, name, number)
    keep(shed, path, dataset_card(facts))
    return path


def _newest_checks(shed: Shed, version: DatasetVersion) -> Checks:
    for run in read_lineage.runs_of_dataset_version(shed, version.id or 0):
        for stage in read_runs.stages(shed, run.id or 0):
            if stage.name == "validate" and stage.facts.get("checks"):
                found: Checks = stage.facts["checks"]
                return found
    return []


def _facts(shed: Shed, dataset: Dataset, version: DatasetVersion, checks: Checks) -> DatasetCardFacts:
    manifest = manifest_of(shed, version)
    tables = {}
    if manifest.kind == "table":
        profiled = {table: table_profile(shed, dataset.name, manifest, table) for table in manifest.tables}
        tables = {table: _columns(profile) for table, profile in profiled.items()}
    previous = version.number - 1 or None
    return DatasetCardFacts(
        dataset=dataset.name,
        version=version.number,
        kind=dataset.kind,
        files=version.files,
        rows=version.rows,
        bytes=version.bytes,
        content=version.content,
        created_at=version.created_at,
        created_by=version.created_by,
        by_reference=version.by_reference,
        note=version.note,
        tables=tables,
        classes=manifest.classes if manifest.kind == "files" else {},
        checks=tuple(_check(check) for check in checks),
        previous=previous,
        changes=_changes(shed, dataset.name, previous, manifest) if previous else (),
    )


def _changes(shed: Shed, name: str, previous: int, manifest: Manifest) -> tuple[str, ...]:
    before = manifest_of(shed, read_datasets.version(shed, name, previous))
    return tuple(compare(shed, name, before, manifest).sentences)


def _columns(profile: Profile) -> tuple[ColumnFacts, ...]:
    return tuple(_column(column) for column in profile.columns)


def _column(column: ColumnProfile) -> ColumnFacts:
    return ColumnFacts(
        name=column.name,
        type=column.type,
        nulls=column.nulls,
        distinct=column.distinct,
        minimum=None if column.min is None else str(column.min),
        mean=float(column.mean) if isinstance(column.mean, (int, float)) else None,
        maximum=None if column.max is None else str(column.max),
        top=tuple((str(value), count) for value, count in column.top or []),
    )


def _check(check: Mapping[str, Any]) -> CheckFacts:
    return CheckFacts(
        str(check["name"]),
        str(check["on_fail"]),
        bool(check["passed"]),
        int(check.get("count", 0)),
        str(check.get("text", "")),
    )
