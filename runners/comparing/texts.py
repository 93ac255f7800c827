"""The code of runs, file by file: what each froze, as unified diffs against the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal

from storage.errors import ShedError
from storage.shed import Shed
from storage.tables import Run

LARGEST = 400_000  # bytes of a file that is compared line by line


@dataclass(frozen=True)
class FileDiff:
    """One file. `lines` is a unified diff, without line ends; where there is none, `note` says why."""

    path: str
    change: Literal["added", "removed", "changed"]
    lines: list[str]
    note: str = ""


@dataclass(frozen=True)
class CodeDiff:
    """How the code and the long settings of `runs`, which have the same, differ from those of the run `base`."""

    base: int
    runs: list[int]
    files: list[FileDiff]

    @property
    def lines(self) -> list[str]:
        """All of it as one unified diff."""
        return [line for file in self.files for line in (file.lines or [f"{file.path}: {file.change}; {file.note}"])]


def differences(shed: Shed, runs: Sequence[Run]) -> list[CodeDiff]:
    """One for each code that is not the first run's, in the order of the runs. Never raises for what is gone."""
    base, groups = runs[0], dict[str, list[Run]]()
    for run in runs[1:]:
        groups.setdefault(run.code + repr(sorted(_long_settings(run.spec).items())), []).append(run)
    found = []
    for alike in groups.values():
        files = [*_settings(base, alike[0]), *_files(shed, base, alike[0])]
        if files:
            found.append(CodeDiff(base.id or 0, [run.id or 0 for run in alike], files))
    return found


def _files(shed: Shed, base: Run, other: Run) -> list[FileDiff]:
    if base.code == other.code:
        return []
    before, after = _frozen(base), _frozen(other)
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    found = [_diff(shed, path, before.get(path), after.get(path)) for path in paths]
    modes = set(base.snapshot.get("executables", ())) ^ set(other.snapshot.get("executables", ()))
    found += [FileDiff(path, "changed", [], "may be executed or not") for path in sorted(modes - set(paths))]
    return found or [FileDiff("the code", "changed", [], "which files it had is not known any more")]


def _frozen(run: Run) -> dict[str, str]:
    files = run.snapshot.get("files")
    return files if isinstance(files, dict) else {}


def _diff(shed: Shed, path: str, before: str | None, after: str | None) -> FileDiff:
    change: Literal["added", "removed", "changed"] = (
        "added" if before is None else "removed" if after is None else "changed"
    )
    try:
        texts = [b"" if digest is None else shed.objects.verify(digest).read_bytes() for digest in (before, after)]
    except ShedError:
        return FileDiff(path, change, [], "its text is no longer in the shed, or damaged")
    if any(b"\0" in text[:8192] for text in texts):
        return FileDiff(path, change, [], "no text")
    if max(len(text) for text in texts) > LARGEST:
        return FileDiff(path, change, [], f"more than {LARGEST // 1000} kB")
    return FileDiff(path, change, unified(path, *(text.decode(errors="replace") for text in texts), change=change))


def unified(path: str, before: str, after: str, *, change: str = "changed") -> list[str]:
    """A unified diff of two texts, without line ends."""
    names = "/dev/null" if change == "added" else f"a/{path}", "/dev/null" if change == "removed" else f"b/{path}"
    return [line.rstrip("\n") for line in unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")]


def _settings(base: Run, other: Run) -> list[FileDiff]:
    """Settings of several lines, such as the dataset's query."""
    before, after = _long_settings(base.spec), _long_settings(other.spec)
    return [
        FileDiff(path, "changed", unified(path, before.get(name, ""), after.get(name, "")))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
        for path in [f"trainshed.toml: {name}"]
    ]


def _long_settings(spec: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, text in flat(spec).items() if "\n" in text}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as `split.by` → `time`. Empty ones are left out; lists are one text."""
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= flat(item, f"{prefix}{key}.")
        elif item is not None and item != []:
            found[f"{prefix}{key}"] = item if isinstance(item, str) else repr(item)
    return found
