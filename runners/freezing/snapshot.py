"""A project's code, frozen: what a run executes is what stood there when it was launched, whatever is edited later."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from blake3 import blake3

from runners.freezing import git, secrets
from runners.freezing.projectfiles import Listing, list_project, matcher
from storage.errors import RunFailed, UsageError
from storage.names import checked_relative_path

LARGEST_FILE = 1_000_000
MOST_FILES = 20_000
MOST_BYTES = 256_000_000
LARGEST_DIFF = 4_000_000
NOT_IN_DIFF = ("**/.env*",)  # where secrets live that no pattern would know


@dataclass(frozen=True)
class Snapshot:
    """The frozen code of a project.

    Attributes:
        files: path below the project → blake3 of its content.
        executables: those paths that may be executed.
        code: one digest for all of it: equal code, equal digest.
        commit, branch: None outside of a git repository, and where there is none yet.
        dirty: whether the code differs from the commit; None without a repository.
        diff: the difference to the commit with new files, secrets blacked out; None where there is no commit, or
            nobody wants it.
        secrets_found: `file:line (kind)` of what looks like a secret.
        skipped: files left out that one might miss, each with the reason.
        notes: what else was odd, in sentences.
        contents: digest → bytes.
    """

    files: dict[str, str]
    executables: list[str]
    code: str
    commit: str | None
    branch: str | None
    dirty: bool | None
    diff: str | None
    secrets_found: list[str]
    skipped: list[str]
    notes: list[str]
    contents: dict[str, bytes] = field(repr=False)


def freeze(project_dir: Path, dataset_globs: Iterable[str], *, want_diff: bool) -> Snapshot:
    """Freeze the code below `project_dir`, as it is now. Oddities of git or of single files are told, never raised.

    Raises:
        UsageError: when there is far too much to be code.
    """
    project_dir = project_dir.resolve()
    globs = list(dataset_globs)
    listing = list_project(project_dir, globs)
    frozen = _Frozen(project_dir, listing.unseen_by_git)
    for path in listing.paths:
        frozen.take(path)
    tree, notes = listing.tree, listing.notes
    diff = None
    if want_diff and tree is not None and tree.commit is not None:
        diff = _diff(tree, frozen, [*matcher(project_dir, globs).patterns, *NOT_IN_DIFF], notes)
    return Snapshot(
        files=frozen.files,
        executables=frozen.executables,
        code=code_digest(frozen.files, frozen.executables),
        commit=tree.commit if tree is not None else None,
        branch=tree.branch if tree is not None else None,
        dirty=_dirty(listing, frozen),
        diff=diff,
        secrets_found=[*_secrets_in(project_dir, "trainshed.toml"), *frozen.secrets_found],
        skipped=frozen.skipped,
        notes=notes,
        contents=frozen.contents,
    )


def store(snapshot: Snapshot, put: Callable[[bytes], object]) -> None:
    """Keep all contents: `put` is the `put_bytes` of an object store."""
    for content in snapshot.contents.values():
        put(content)


def code_digest(files: Mapping[str, str], executables: Collection[str]) -> str:
    """One digest for all of the code: equal paths, contents and permissions, equal digest."""
    digest = blake3()
    for path in sorted(files):
        digest.update(f"{path}\0{files[path]}\0{path in executables:d}\n".encode())
    return digest.hexdigest()


def check_out(
    files: Mapping[str, str], executables: Collection[str], get: Callable[[str], bytes], to_dir: Path
) -> None:
    """Make `to_dir` hold exactly the frozen files. Where it does already, nothing is touched: a run may be using it.

    `get` gives the content of a digest: the `read_bytes` of an object store, which checks it.

    Raises:
        RunFailed: when it cannot be written.
    """
    if _holds(files, executables, to_dir):
        return
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{to_dir.name}-", dir=to_dir.parent))
        try:
            for path, digest in files.items():
                _write(fresh / checked_relative_path(path, "code file"), get(digest), path in executables)
            fresh.chmod(0o770)
            if to_dir.exists():
                shutil.rmtree(to_dir)
            fresh.rename(to_dir)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as err:
        raise RunFailed(f"the frozen code cannot be written: {err.strerror}", place=str(to_dir)) from err


class _Frozen:
    """The files taken so far."""

    def __init__(self, project_dir: Path, ignored: set[str]) -> None:
        self.files: dict[str, str] = {}
        self.executables: list[str] = []
        self.contents: dict[str, bytes] = {}
        self.secrets_found: list[str] = []
        self.skipped: list[str] = []
        self._project_dir = project_dir
        self._ignored = ignored
        self._bytes = 0

    def take(self, path: str) -> None:
        """Freeze one file, or say why not."""
        place = self._project_dir / path
        try:
            path.encode()
            checked_relative_path(path, "code file")
            stat = place.stat()
            if not S_ISREG(stat.st_mode):
                self.skipped.append(f"{path}: no regular file")
                return
            if stat.st_size > LARGEST_FILE:
                self.skipped.append(f"{path}: {stat.st_size / 1e6:.1f} MB, larger than code is (1 MB)")
                return
            content = place.read_bytes()
        except FileNotFoundError:
            if place.is_symlink():
                self.skipped.append(f"{path}: a link that leads nowhere")
            return  # deleted, but still in git's index
        except OSError as err:
            self.skipped.append(f"{path}: cannot be read: {err.strerror}")
            return
        except (UnicodeEncodeError, UsageError):
            self.skipped.append(f"{path!r}: its name is no plain text")
            return
        found = _findings(path, content)
        if found and path in self._ignored:
            self.skipped.append(f"{path}: ignored by git, and holds what looks like a secret")
            return
        self.secrets_found += found
        self._keep(path, content, executable=bool(stat.st_mode & 0o100))

    def _keep(self, path: str, content: bytes, *, executable: bool) -> None:
        digest = blake3(content).hexdigest()
        self.files[path] = digest
        self.contents[digest] = content
        if executable:
            self.executables.append(path)
        self._bytes += len(content)
        if len(self.files) > MOST_FILES or self._bytes > MOST_BYTES:
            raise UsageError(
                f"more than {MOST_FILES:,} files or {MOST_BYTES // 1_000_000} MB would count as the project's code",
                place=str(self._project_dir),
                todo="make the project a directory of its own, or a git repository whose .gitignore names the rest",
            )


def _dirty(listing: Listing, frozen: _Frozen) -> bool | None:
    if listing.tree is None:
        return None
    return listing.tree.changed or any(path in frozen.files for path in listing.tree.untracked)


def _diff(tree: git.WorkTree, frozen: _Frozen, without: list[str], notes: list[str]) -> str | None:
    try:
        parts = [git.diff(tree, without)]
    except git.GitRefused as err:
        notes.append(f"git gives no diff: {err}")
        return None
    for path in tree.untracked:
        content = frozen.contents.get(frozen.files.get(path, ""))
        if path == "trainshed.toml":
            content = _read(tree.directory / path)
        if content is not None and b"\0" not in content:
            parts.append(git.as_new_file(path, content.decode(errors="replace"), executable=path in frozen.executables))
    diff = secrets.redact("".join(parts))
    if len(diff) > LARGEST_DIFF:
        notes.append(f"the diff is {len(diff) / 1e6:.1f} MB long; {LARGEST_DIFF // 1_000_000} MB of it are kept")
        diff = diff[:LARGEST_DIFF] + "\n[the rest of this diff was too long to keep]\n"
    return diff


def _secrets_in(project_dir: Path, path: str) -> list[str]:
    return _findings(path, _read(project_dir / path) or b"")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _findings(path: str, content: bytes) -> list[str]:
    if b"\0" in content[:8192]:
        return []
    return [f"{path}:{finding.line} ({finding.kind})" for finding in secrets.scan(content.decode(errors="replace"))]


def _holds(files: Mapping[str, str], executables: Collection[str], directory: Path) -> bool:
    """Whether every frozen file stands in `directory` unchanged."""
    try:
        return directory.is_dir() and all(
            blake3((directory / path).read_bytes()).hexdigest() == digest
            and os.access(directory / path, os.X_OK) == (path in executables)
            for path, digest in files.items()
        )
    except OSError:
        return False


def _write(path: Path, content: bytes, executable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o770 if executable else 0o660)
