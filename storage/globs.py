"""Expand file patterns into files, with their stat, in one walk for each."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from storage.errors import DataInvalid, UsageError
from storage.hashing import unreadable

Found = tuple[str, int, int, int, int]  # the path that opens the file; its size, mtime_ns, inode and ctime_ns
Pattern = tuple[str, ...]  # the parts of a pattern that are still to be matched

WILD = re.compile(r"[*?\[]")
ESCAPED = re.compile(r"\[([*?\[])\]")  # how a pattern says that one of these is meant as it stands


def expand(root: Path, globs: Sequence[str]) -> dict[str, Found]:
    """Return relative path → file for all files that `globs` match: `*`, `?`, `[…]` within a name, `**` over folders.

    As in a shell, names that start with a dot match only patterns that say so. Links are followed, except back into a
    folder that they lie in. A pattern may be absolute, start with `~`, or lead out of `root` with `..`; such a file is
    named by its absolute path without the leading slash.

    Raises:
        UsageError: when a pattern is malformed or matches nothing.
        DataInvalid: naming a folder that cannot be read, a broken link, or something that is no regular file.
    """
    found: dict[str, Found] = {}
    for glob in globs:
        base, prefix, pattern = _start(root, glob)
        name = _plain(pattern)
        matches = _walk(base, prefix, pattern) if name is None else _one(base, prefix, name)
        if not matches:
            folder = (root / glob).is_dir()
            todo = f'for all files in it: "{glob.rstrip("/")}/**"' if folder else "check the pattern and the folder"
            raise UsageError(f'no file matches "{glob}"', place=str(root), todo=todo)
        found.update(matches)
    return found


def _start(root: Path, glob: str) -> tuple[str, str, Pattern]:
    """The folder to start in, its part of relative paths, and what is to be matched below it."""
    if "\0" in glob or not glob.strip():
        raise UsageError(f"{glob!r} is no file pattern", expected='something like "data/*.parquet"')
    parts = str(Path(glob).expanduser()).split("/")
    fixed = next((i for i, part in enumerate(parts) if WILD.search(part)), len(parts) - 1)
    rest = parts[fixed:]
    if ".." in rest or any("**" in part and part != "**" for part in rest):
        raise UsageError(f'cannot read the file pattern "{glob}"', expected='a pattern such as "data/**/*.png"')
    if rest[-1] == "**":
        rest.append("*")
    top = os.path.abspath(root)  # noqa: PTH100 - keeps links as they are, and folds ".."
    base = os.path.normpath(f"{top}/{'/'.join(parts[:fixed])}" if parts[0] else "/".join(parts[:fixed]) or "/")
    if base == top:
        return base, "", tuple(rest)
    inside = base.startswith(top + "/")
    return base, (base[len(top) + 1 :] if inside else base.lstrip("/")) + "/", tuple(rest)


def _plain(pattern: Pattern) -> str | None:
    """The file's name, where a pattern can match only one: its folder need not be listed then."""
    return None if len(pattern) > 1 or WILD.search(ESCAPED.sub("", pattern[0])) else ESCAPED.sub(r"\1", pattern[0])


def _one(base: str, prefix: str, name: str) -> dict[str, Found]:
    """The file `name` in the folder `base`, where there is one."""
    path = os.path.join(base, name)  # noqa: PTH118 - for thousands of names
    try:
        found = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError) as err:
        if os.path.islink(path):  # noqa: PTH114
            raise _loose(path) from err
        return {}
    except OSError as err:
        raise unreadable(path, err) from err
    return {} if stat.S_ISDIR(found.st_mode) else {prefix + name: _regular(path, found)}


def _regular(path: str, found: os.stat_result) -> Found:
    if not stat.S_ISREG(found.st_mode):
        raise DataInvalid("this is no regular file", place=path, todo="leave it out")
    return path, found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def _loose(path: str) -> DataInvalid:
    return DataInvalid("this link leads nowhere", place=path, todo="mend or remove it")


def _walk(base: str, prefix: str, pattern: Pattern) -> dict[str, Found]:
    """Every file below `base` that the pattern matches. A folder is read once, however many ways `**` leads into it."""
    matches: dict[str, Found] = {}
    # Each: a folder, its part of relative paths, what may match in it, and the real folders that links led away from.
    stack: list[tuple[str, str, frozenset[Pattern], tuple[str, ...]]] = [(base, prefix, frozenset([pattern]), ())]
    while stack:
        folder, prefix, patterns, hops = stack.pop()
        wanted, deeper = _step(patterns)
        try:
            entries = os.scandir(folder)
        except OSError as err:
            if folder == base and isinstance(err, FileNotFoundError | NotADirectoryError):
                return {}
            raise unreadable(folder, err) from err
        with entries:
            for entry in entries:
                name = entry.name
                try:
                    if entry.is_dir():
                        inner = frozenset(p if p[0] == "**" else p[1:] for p in deeper if _matches(p[0], name))
                        onward = _onward(entry, folder, hops) if inner else None
                        if onward is not None:
                            stack.append((entry.path, f"{prefix}{name}/", inner, onward))
                    elif wanted(name):
                        matches[prefix + name] = _regular(entry.path, entry.stat())
                except FileNotFoundError as err:  # removed since the folder was listed, unless it is a link
                    if entry.is_symlink():
                        raise _loose(entry.path) from err
                except OSError as err:
                    raise unreadable(entry.path, err) from err
    return matches


@lru_cache(maxsize=256)
def _step(patterns: frozenset[Pattern]) -> tuple[Callable[[str], object], tuple[Pattern, ...]]:
    """What patterns mean in one folder: a test for its files' names, and the patterns that lead deeper."""
    every = set(patterns)
    for pattern in patterns:
        while pattern[0] == "**":  # which may also stand for no folder at all
            pattern = pattern[1:]
            every.add(pattern)
    names = sorted(_regex(p[0]) for p in every if len(p) == 1)
    wanted = re.compile("|".join(names)).match if names else _nothing
    return wanted, tuple(p for p in every if len(p) > 1)


def _nothing(_name: str) -> None:
    return None


def _matches(part: str, name: str) -> bool:
    return not name.startswith(".") if part == "**" else re.match(_regex(part), name) is not None


@lru_cache(maxsize=256)
def _regex(part: str) -> str:
    return ("" if part.startswith(".") else r"(?!\.)") + fnmatch.translate(part)


def _onward(entry: os.DirEntry[str], folder: str, hops: tuple[str, ...]) -> tuple[str, ...] | None:
    """The hops to remember inside a folder; None where a link leads back into one that we are already in."""
    if not entry.is_symlink():
        return hops
    target, here = os.path.realpath(entry.path), os.path.realpath(folder)
    if any(place == target or place.startswith(target.rstrip("/") + "/") for place in (here, *hops)):
        return None
    return (*hops, here)
