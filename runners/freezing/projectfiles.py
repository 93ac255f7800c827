"""Which files of a project are its code: by git where it can say, else by a walk."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runners.freezing import git

NEVER_CODE_DIRS = frozenset({"__pycache__", "node_modules", "site-packages"})
# A directory that holds one of these is somebody's environment or shed, not code of the project.
FOREIGN_SIGNS = frozenset({"pyvenv.cfg", "shed.db", "conda-meta"})
NOT_CODE = re.compile(
    r".*\.(?:parquet|csv|tsv|jsonl|ndjson|arrow|feather|orc|avro|xlsx|sqlite|db|duckdb|h5|hdf5|npy|npz|mat"
    r"|pkl|pickle|joblib|pt|pth|ckpt|bin|safetensors|onnx|pb|tflite|gguf|model|cbm|ubj"
    r"|png|jpe?g|gif|bmp|tiff?|webp|wav|mp3|flac|ogg|mp4|avi|mov|mkv|pdf"
    r"|gz|bz2|xz|zst|zip|tar|tgz|7z|whl|md|log|py[co])",
    re.IGNORECASE | re.DOTALL,
)
# What no commit holds is code only by its name: a file that training leaves there must not look like a change.
SOURCE = re.compile(
    r".*\.(?:py|pyi|pyx|sh|bash|sql|toml|ya?ml|json|cfg|ini|txt|proto|ipynb|j2|jinja2?"
    r"|c|cc|cpp|cxx|h|hh|hpp|cu|cuh|rs|jl|r|lua)|.*/Makefile|Makefile",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class Listing:
    """The paths of a project that may be code, relative to it, and what git says about them."""

    paths: list[str]
    tree: git.WorkTree | None
    notes: list[str] = field(default_factory=list)

    @property
    def unseen_by_git(self) -> set[str]:
        """Paths that an ignore rule hides."""
        return set(self.tree.ignored) if self.tree is not None else set()


def list_project(directory: Path, dataset_globs: Iterable[str]) -> Listing:
    """List what may be code below `directory`, without files of the dataset, of models, of environments and of sheds.

    In a git work tree these are the tracked files and the untracked sources that no rule ignores, also those of
    submodules and nested repositories; and ignored Python modules beside such files, which the code may well import
    (`_version.py`, generated protocols). Names that start with a dot are left out.
    """
    notes: list[str] = []
    tree = _tree(directory, notes)
    paths = set(_expanded(directory, "", tree, notes, {directory.resolve()}))
    foreign = _foreign_directories(paths)
    is_data = matcher(directory, dataset_globs)
    return Listing(sorted(path for path in paths if _may_be_code(path, foreign) and not is_data(path)), tree, notes)


def matcher(directory: Path, globs: Iterable[str]) -> Matcher:
    """A test for paths relative to `directory`: does one of the patterns match? `**` stands for any folders."""
    inside = [_relative(directory, glob) for glob in globs]
    return Matcher([pattern for pattern in inside if pattern is not None])


class Matcher:
    """Glob patterns relative to a directory; called with a relative path."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = list(patterns)
        self._regex = re.compile("|".join(_regex(pattern) for pattern in patterns) or r"(?!)")

    def __call__(self, path: str) -> bool:
        return self._regex.fullmatch(path) is not None


def _relative(directory: Path, glob: str) -> str | None:
    """The pattern relative to `directory`; None when it leads elsewhere."""
    path = os.path.relpath(directory / Path(glob).expanduser(), directory)
    return None if path == os.pardir or path.startswith(os.pardir + os.sep) else path


def _regex(pattern: str) -> str:
    pieces = []
    parts = pattern.split("/")
    for part in parts[:-1]:
        pieces.append(r"(?:[^/]+/)*" if part == "**" else _name_regex(part) + "/")
    pieces.append(r".+" if parts[-1] == "**" else _name_regex(parts[-1]))
    return "".join(pieces)


def _name_regex(part: str) -> str:
    whole = fnmatch.translate(part)  # "(?s:…)\\Z"
    return whole.removesuffix(r"\Z").removesuffix(r"\z").replace(".*", "[^/]*")


def _may_be_code(path: str, foreign: set[str]) -> bool:
    parts = path.split("/")
    return not (
        any(part.startswith(".") or part in NEVER_CODE_DIRS for part in parts)
        or NOT_CODE.fullmatch(path)
        or any("/".join(parts[:depth]) in foreign for depth in range(1, len(parts)))
        or path == "trainshed.toml"
    )


def _looks_like_source(path: str) -> bool:
    return SOURCE.fullmatch(path) is not None or not FOREIGN_SIGNS.isdisjoint(path.split("/"))


def _foreign_directories(paths: Iterable[str]) -> set[str]:
    found = set()
    for path in paths:
        parts = path.split("/")
        found |= {"/".join(parts[:depth]) for depth, part in enumerate(parts) if part in FOREIGN_SIGNS}
    return found


def _tree(directory: Path, notes: list[str]) -> git.WorkTree | None:
    try:
        return git.work_tree(directory)
    except git.GitRefused as err:
        notes.append(f"git cannot read {directory}: {err}; the run has no commit and no diff")
        return None


def _expanded(
    directory: Path, prefix: str, tree: git.WorkTree | None, notes: list[str], entered: set[Path]
) -> Iterator[str]:
    """Paths of files below `directory`, each with `prefix`; entries that are directories themselves are entered."""
    if tree is None:
        yield from _walked(directory, prefix, notes, entered)
        return
    own = [*tree.tracked, *(path for path in tree.untracked if _looks_like_source(path) or path.endswith("/"))]
    modules = {os.path.dirname(path) for path in own if path.endswith(".py")}  # noqa: PTH120
    own += [path for path in tree.ignored if path.endswith(".py") and os.path.dirname(path) in modules]  # noqa: PTH120
    for path in own:
        place = directory / path
        if NOT_CODE.fullmatch(path) and os.path.basename(path) not in FOREIGN_SIGNS:  # noqa: PTH119
            continue  # before the disk is asked: these may be a hundred thousand images
        if place.is_dir():
            yield from _entered(place, f"{prefix}{path.rstrip('/')}/", notes, entered)
        else:
            yield prefix + path


def _entered(place: Path, prefix: str, notes: list[str], entered: set[Path]) -> Iterator[str]:
    """A submodule, a nested repository, or a link to a directory; each but once."""
    real = place.resolve()
    if real in entered:
        return
    entered.add(real)
    linked = place.is_symlink()
    yield from _expanded(place, prefix, None if linked else _tree(place, notes), notes, entered)


def _walked(directory: Path, prefix: str, notes: list[str], entered: set[Path]) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as err:
        notes.append(f"{prefix or '.'}: cannot be read: {err.strerror}")
        return
    if prefix and any(entry.name in FOREIGN_SIGNS for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in NEVER_CODE_DIRS:
            continue
        if entry.is_symlink() and entry.is_dir():
            yield from _entered(Path(entry.path), f"{prefix}{entry.name}/", notes, entered)
        elif entry.is_dir():
            yield from _walked(Path(entry.path), f"{prefix}{entry.name}/", notes, entered)
        elif _looks_like_source(entry.name):
            yield prefix + entry.name
