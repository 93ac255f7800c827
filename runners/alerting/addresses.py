"""Where a user's alerts of a project go. Addresses are secrets: they stay in that user's own directory."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runners.agency.home import Home
from storage.durable import write_whole
from storage.errors import UsageError
from storage.names import checked_name

if TYPE_CHECKING:
    from storage.trigger_section import AlertsSection

SEPARATOR = re.compile(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)")


@dataclass(frozen=True)
class Book:
    """What `[alerts]` said, and what the environment held, when its user last gave it."""

    section: AlertsSection
    project_dir: Path
    held: dict[str, str] = field(default_factory=dict)  # NAME → its value
    kept_at: float = 0.0


def keep(home: Home, project: str, section: AlertsSection, project_dir: Path, env: Mapping[str, str]) -> list[str]:
    """Write down where alerts of a project go; returns a warning for each address that is not there now."""
    names = [given.removeprefix("env:") for given in section.to if given.startswith("env:")]
    held = {name: env[name] for name in names if env.get(name)}
    said = section.model_dump(mode="json")
    book = {"section": said, "project_dir": str(project_dir), "held": held, "kept_at": time.time()}
    path = _path(home, project)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, json.dumps(book).encode(), mode=0o600)
    missing = [f"[alerts] to: {name} is not set here, so nothing is sent there" for name in names if name not in held]
    for given in section.to:
        try:
            if given.startswith("file:"):
                of_file(_file(given, project_dir))
        except UsageError as err:
            missing.append(str(err))
    return missing


def find(home: Home, project: str) -> Book | None:
    """Where alerts of a project go; None where its user never said so."""
    from storage.trigger_section import AlertsSection

    try:
        told = json.loads(_path(home, project).read_bytes())
    except (OSError, ValueError):
        return None
    section = AlertsSection.model_validate(told["section"])
    return Book(section, Path(told["project_dir"]), told["held"], told.get("kept_at", 0.0))


def every(home: Home) -> dict[str, Book]:
    """The projects of which this user has said where their alerts go."""
    found = {path.stem: find(home, path.stem) for path in sorted((home.root / "alerts").glob("*.json"))}
    return {project: book for project, book in found.items() if book is not None}


def addresses(book: Book) -> list[str]:
    """Every address.

    Raises:
        UsageError: for a file that cannot be read, or that others may read.
    """
    found: list[str] = []
    for given in book.section.to:
        kind, _, where = given.partition(":")
        text = of_file(_file(given, book.project_dir)) if kind == "file" else book.held.get(where, "")
        found += [each for each in SEPARATOR.split(text.strip()) if each]
    return found


def of_file(path: Path) -> str:
    """The addresses in a file, one a line; lines that begin with # are remarks.

    Raises:
        UsageError: when it cannot be read, or somebody else may read it.
    """
    try:
        its = path.stat()
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"no addresses can be read: {err}", place=str(path)) from err
    if stat.S_IMODE(its.st_mode) & 0o077 or its.st_uid != os.geteuid():
        raise UsageError("others may read these addresses", place=str(path), todo=f"chmod 600 {path}")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _file(given: str, project_dir: Path) -> Path:
    return project_dir / Path(given.removeprefix("file:")).expanduser()


def _path(home: Home, project: str) -> Path:
    return home.root / "alerts" / f"{checked_name(project, 'project')}.json"
