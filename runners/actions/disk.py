"""What takes the shed's disk: by dataset, run and model, and what of it nothing refers to any more."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from runners.actions import garbage
from runners.actions.garbage import Collected
from storage import manifests
from storage.counted import counted
from storage.errors import UsageError
from storage.read.belongings import Belongings, belongings
from storage.shed import Shed

Kind = Literal["dataset", "run", "model", "endpoint", "sweep", "shed", "garbage"]
GARBAGE = {"object": "objects", "stage": "stage results", "run": "run directories", "temporary": "temporary files"}


class Size(NamedTuple):
    """Bytes of files, and those of them in hard links: to the project's own files as a rule, and cost nothing here."""

    bytes: int = 0
    linked: int = 0


@dataclass(frozen=True)
class Part:
    """One thing and all that it refers to, whatever else refers to it too. `freed` are the bytes that gc removes."""

    kind: Kind
    name: str
    about: str
    size: Size
    freed: int = 0


@dataclass(frozen=True)
class Usage:
    """Everything, the largest first; in `whole` each file counts once.

    `garbage` is None while a collection or a `data add` is at work.
    """

    parts: list[Part]
    whole: Size
    garbage: Collected | None

    def of(self, kind: Kind) -> int:
        """The bytes of all things of a kind; what two of them share counts twice."""
        return sum(part.size.bytes for part in self.parts if part.kind == kind)


class Disk:
    """Measures a shed. What stands still is looked at once: results of stages, directories of runs that have ended."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        self._still: dict[Hashable, Size] = {}

    def usage(self) -> Usage:
        """Look at every file that may have changed: takes moments or, for the first time with 10,000 runs, seconds.

        Raises:
            ShedError: a manifest is missing or damaged, so that nobody knows what belongs to it.
        """
        shed, found = self._shed, belongings(self._shed)
        objects = {shard.name + file.name: _size(file) for shard in _in(shed.objects.root) for file in _in(shard.path)}
        runs, stages = self._runs(found), {entry.name: self._once(entry.name, entry.path) for entry in _in(shed.stages)}
        data, endpoints, sweeps = (_folders(shed.root / name) for name in ("datasets", "endpoints", "sweeps"))
        contents = {name: _contents(shed, digests) for name, digests in found.manifests.items()}
        collected = _garbage(shed)
        parts = [
            *(
                Part(
                    "dataset",
                    name,
                    counted(len(found.manifests[name]), "version"),
                    _sum([*_of(objects, digests), data.get(name, Size())]),
                )
                for name, digests in contents.items()
            ),
            *_run_parts(found, objects, runs, stages),
            *(
                Part(
                    "model",
                    name,
                    counted(len(digests), "version"),
                    _sum(_of(objects, {each for pair in digests for each in pair})),
                )
                for name, digests in found.models.items()
            ),
            *(Part("endpoint", name, "its log and traffic", size) for name, size in endpoints.items()),
            *(Part("sweep", name, "its study", size) for name, size in sweeps.items()),
            *_shed_parts(shed, found, contents, objects, collected),
            *_garbage_parts(collected),
        ]
        rest = [_tree(str(shed.tmp)), *(_size(entry) for entry in _in(shed.root) if entry.is_file())]
        folders = [*data.values(), *endpoints.values(), *sweeps.values(), *runs.values(), *stages.values()]
        whole = _sum([*objects.values(), *folders, *rest])
        return Usage(sorted(parts, key=lambda part: -part.size.bytes), whole, collected)

    def _runs(self, found: Belongings) -> dict[str, Size]:
        """The directory of every run. A run that has ended adds nothing to it, unless it is taken up again."""
        ended = {str(run.id): run.ended_at for run in found.runs if run.ended_at is not None}
        return {
            entry.name: self._once((entry.name, ended[entry.name]), entry.path)
            if entry.name in ended
            else _tree(entry.path)
            for entry in _in(self._shed.root / "runs")
        }

    def _once(self, key: Hashable, path: str) -> Size:
        known = self._still.get(key)
        if known is None:
            known = self._still[key] = _tree(path)
        return known


def _run_parts(
    found: Belongings, objects: dict[str, Size], runs: dict[str, Size], stages: dict[str, Size]
) -> Iterator[Part]:
    """Each run with its directory, what it saved, and the results of stages that it was the first to need."""
    made: dict[int, list[Size]] = defaultdict(list)
    for key, run_id in found.stages.items():
        if key in stages:
            made[run_id].append(stages[key])
    for run in found.runs:
        saved = _of(objects, found.artifacts.get(run.id, ()))
        yield Part("run", str(run.id), run.name, _sum([runs.get(str(run.id), Size()), *saved, *made.get(run.id, ())]))


def _shed_parts(
    shed: Shed,
    found: Belongings,
    contents: dict[str, set[str]],
    objects: dict[str, Size],
    collected: Collected | None,
) -> Iterator[Part]:
    """What belongs to no single thing."""
    yield Part("shed", "database", "what exists and what happened", _sum(map(_size, _database(shed))))
    named = set().union(
        *contents.values(), *found.artifacts.values(), *(set(pair) for each in found.models.values() for pair in each)
    )
    loose = (
        {item.path.parent.name + item.path.name for item in collected.found if item.kind == "object"}
        if collected
        else set()
    )
    yield Part(
        "shed",
        "code",
        "frozen code and reports of runs",
        _sum(size for digest, size in objects.items() if digest not in named and digest not in loose),
    )


def _database(shed: Shed) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _in(shed.root) if entry.name.startswith(shed.db.name))


def _garbage(shed: Shed) -> Collected | None:
    try:
        return garbage.collect(shed, dry_run=True)
    except UsageError:
        return None


def _garbage_parts(collected: Collected | None) -> Iterator[Part]:
    """What gc removes, by kind. A hard link frees nothing."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for item in collected.found if collected is not None else ():
        sizes[item.kind].append(item.bytes)
    for kind, freed in sizes.items():
        yield Part("garbage", GARBAGE[kind], f"{len(freed):,} that nothing refers to", Size(sum(freed)), sum(freed))


def _contents(shed: Shed, digests: Iterable[str]) -> set[str]:
    """Manifests, and the objects that they name."""
    found = set(digests)
    for digest in tuple(found):
        found.update(entry.blake3 for entry in manifests.load(shed.objects, digest).entries() if entry.source is None)
    return found


def _of(objects: dict[str, Size], digests: Iterable[str]) -> list[Size]:
    return [objects[digest] for digest in digests if digest in objects]


def _sum(sizes: Iterable[Size]) -> Size:
    total = linked = 0
    for size in sizes:
        total, linked = total + size.bytes, linked + size.linked
    return Size(total, linked)


def _folders(root: Path) -> dict[str, Size]:
    return {entry.name: _tree(entry.path) for entry in _in(root) if entry.is_dir()}


def _tree(path: str) -> Size:
    """All files below; what goes away meanwhile is not there."""
    total = linked = 0
    waiting = [path]
    while waiting:
        for entry in _in(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                size = _size(entry)
                total, linked = total + size.bytes, linked + size.linked
    return Size(total, linked)


def _size(entry: os.DirEntry[str]) -> Size:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return Size()
    return Size(found.st_size, found.st_size if found.st_nlink > 1 else 0)


def _in(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
