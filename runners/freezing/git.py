"""What git knows about a project: which files are its own, the commit, and what has changed since.

Git is asked, never trusted to work: it may be missing, refuse a directory of somebody else's, or take for ever.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 30.0


@dataclass(frozen=True)
class WorkTree:
    """A directory inside a git work tree. Paths are relative to it; a submodule or nested repository is one path.

    Attributes:
        commit: None before the first commit.
        branch: None on a detached head.
        tracked, untracked: files, without ignored ones.
        ignored: ignored files; of a directory that is ignored as a whole none.
        changed: whether a tracked file differs from the commit.
    """

    directory: Path
    commit: str | None
    branch: str | None
    tracked: list[str]
    untracked: list[str]
    ignored: list[str]
    changed: bool


class GitRefused(Exception):
    """There is a repository, but git cannot read it; the text says why."""


def work_tree(directory: Path) -> WorkTree | None:
    """What git knows about `directory`; None outside of a work tree, without git, or when git ignores all of it.

    Raises:
        GitRefused: when there is a repository that git cannot read.
    """
    inside = _ask(directory, "rev-parse", "--is-inside-work-tree")
    if inside is None or (inside.returncode != 0 and b"not a git repository" in inside.stderr):
        return None
    if inside.returncode != 0:
        raise GitRefused(_last_line(inside.stderr))
    if inside.stdout.strip() != b"true" or _succeeds(directory, "check-ignore", "-q", "."):
        return None
    commit = _text(directory, "rev-parse", "-q", "--verify", "HEAD")
    return WorkTree(
        directory=directory,
        commit=commit,
        branch=_text(directory, "symbolic-ref", "-q", "--short", "HEAD"),
        tracked=_paths(directory, "-c"),
        untracked=_paths(directory, "-o", "--exclude-standard"),
        ignored=[
            path for path in _paths(directory, "-o", "-i", "--exclude-standard", "--directory") if path[-1] != "/"
        ],
        changed=commit is None or not _succeeds(directory, "diff", *_PLAIN, "--quiet", "HEAD", "--", "."),
    )


def diff(tree: WorkTree, without: Sequence[str]) -> str:
    """What has changed in tracked files since the commit, as a patch relative to the directory.

    Files that match the glob patterns `without` are left out. Empty before the first commit.

    Raises:
        GitRefused: when git fails.
    """
    if tree.commit is None:
        return ""
    excluded = [f":(exclude,glob){pattern}" for pattern in without]
    found = _ask(tree.directory, "diff", *_PLAIN, "--relative", "--submodule=short", "HEAD", "--", ".", *excluded)
    if found is None or found.returncode != 0:
        raise GitRefused(_last_line(found.stderr) if found is not None else "git is gone")
    return found.stdout.decode(errors="replace")


def as_new_file(path: str, content: str, *, executable: bool = False) -> str:
    """A patch that adds the file, as `git diff` would show it."""
    lines = content.split("\n")
    ended = lines[-1] == ""
    body = [f"+{line}" for line in (lines[:-1] if ended else lines)]
    head = [f"diff --git a/{path} b/{path}", f"new file mode {100755 if executable else 100644}"]
    if body:
        length = f",{len(body)}" if len(body) > 1 else ""
        head += ["--- /dev/null", f"+++ b/{path}", f"@@ -0,0 +1{length} @@"]
    if body and not ended:
        body.append("\\ No newline at end of file")
    return "\n".join([*head, *body]) + "\n"


# A repository's own settings may name programs to run and formats to print in.
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")


def _ask(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    """Run git without side effects; None where there is no git.

    Raises:
        GitRefused: when it does not answer.
    """
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    surroundings |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments],
            cwd=directory,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise GitRefused(f"`git {arguments[0]}` took longer than {PATIENCE_S:g} s") from None
    except OSError as err:
        raise GitRefused(f"git cannot be started: {err.strerror}") from err


def _succeeds(directory: Path, *arguments: str) -> bool:
    found = _ask(directory, *arguments)
    return found is not None and found.returncode == 0


def _text(directory: Path, *arguments: str) -> str | None:
    found = _ask(directory, *arguments)
    return os.fsdecode(found.stdout).strip() or None if found is not None and found.returncode == 0 else None


def _paths(directory: Path, *which: str) -> list[str]:
    found = _ask(directory, "ls-files", "-z", *which)
    if found is None or found.returncode != 0:
        raise GitRefused(_last_line(found.stderr) if found is not None else "git is gone")
    return sorted({os.fsdecode(path) for path in found.stdout.split(b"\0") if path})


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    fatal = [line for line in lines if line.startswith("fatal:")]
    return (fatal or lines or ["git failed without a word"])[0].removeprefix("fatal:").strip()
