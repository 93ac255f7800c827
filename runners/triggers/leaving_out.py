"""Which of a project's new files cannot be taken, and why: half-written, broken, or with another schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runners.datasets.adding import stat_cache
from runners.triggers import deciding
from runners.triggers.completeness import incomplete
from runners.triggers.gathering import Key, Stat
from runners.triggers.inspecting import Inspector
from storage import statcache
from storage.globs import Found
from storage.manifests import Manifest
from storage.shed import Shed

Reason = Literal["half-written", "broken", "schema"]


@dataclass
class Sorted:
    """New files, sorted: those that are good, those still being written, and those left out with the reason."""

    good: list[Key] = field(default_factory=list)
    unfinished: dict[Key, str] = field(default_factory=dict)
    bad: dict[Key, tuple[Reason, str]] = field(default_factory=dict)


def sort_out(
    found: Mapping[Key, Found], new: Iterable[Key], known: Manifest | None, inspector: Inspector, *, tables: bool
) -> Sorted:
    """Look into new files. `known`: the version whose schema they must fit; not `tables`: any file will do."""
    sorted_ = Sorted()
    whole = []
    for key in new:
        try:
            why = incomplete(Path(found[key][0]), key[1]) if tables else ""
        except OSError as err:
            why = str(err.strerror or err)
        if why:
            sorted_.unfinished[key] = why
        elif tables:
            whole.append(key)
        else:
            sorted_.good.append(key)
    asked = inspector.look_into((Path(found[key][0]), key[1]) for key in whole)
    for key, inspected in zip(whole, asked, strict=True):
        faults = []
        if not inspected.fault and known is not None:
            faults = deciding.skew(known, key[0], inspected.columns, inspected.rows)
        if inspected.fault:
            sorted_.bad[key] = ("broken", inspected.fault)
        elif faults:
            sorted_.bad[key] = ("schema", "; ".join(faults))
        else:
            sorted_.good.append(key)
    return sorted_


def known_by_stat(shed: Shed, name: str, root: Path, known: Manifest, stats: Mapping[Key, Stat]) -> set[Key]:
    """Files below `root` that are as a version of the dataset `name` has them, as far as their stat tells."""
    found = set()
    for table, entries in known.tables.items():
        hashed = statcache.load(stat_cache(shed, name, root, table)).by_path()
        lies = {(e.path, (stat, e.blake3)) for e in entries if (stat := stats.get((table, e.path))) is not None}
        found |= {(table, path) for path, as_hashed in lies if hashed.get(path) == as_hashed}
    return found
