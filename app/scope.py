"""What every command is given: its output, the project it is about, and the shed, opened when first asked for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.output import Output
from storage.errors import UsageError

if TYPE_CHECKING:
    import typer

    from storage.shed import Shed

FILE_NAME = "trainshed.toml"  # as storage.project has it, whose import would be the longest part of a short list


@dataclass
class Scope:
    """The global options of one call. `project` and `shed_root` are what was given with -p and --shed."""

    out: Output = field(default_factory=Output)
    project: str | None = None
    shed_root: str | None = None
    _shed: Shed | None = None

    def shed(self) -> Shed:
        """The shed, made on first use. Raises ShedError."""
        if self._shed is None:
            from storage.shed import open_shed

            self._shed = open_shed(Path(self.shed_root) if self.shed_root else None)
        return self._shed

    def project_dir(self) -> Path:
        """The directory of trainshed.toml: the one given, else the nearest at or above the working directory.

        Raises:
            UsageError: when there is none.
        """
        if self.project is None:
            from storage.project import find_project

            return find_project(Path.cwd())
        folder = Path(self.project).expanduser().absolute()
        if not (folder / FILE_NAME).is_file():
            raise UsageError(
                f"no {FILE_NAME} here" if folder.is_dir() else "no such directory",
                place=str(folder),
                expected=f"-p DIR, the directory of a {FILE_NAME}",
                todo="`trainshed init DIR` makes a project",
            )
        return folder

    def project_dir_if_any(self) -> Path | None:
        """Like project_dir, but None where no project was named and there is none here.

        Raises:
            UsageError: when -p names something that is no project.
        """
        return self.project_dir() if self.project is not None else _here_or_above()

    def project_table(self, section: str) -> dict[str, object]:
        """A section of trainshed.toml, unchecked, for lists that only want a name from it; empty where there is none.

        Raises:
            UsageError: when -p names something that is no project.
        """
        folder = self.project_dir_if_any()
        if folder is None:
            return {}
        try:
            found = tomllib.loads((folder / FILE_NAME).read_text(encoding="utf-8")).get(section)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def project_name(self) -> str | None:
        name = self.project_table("project").get("name")
        return name if isinstance(name, str) else None

    def open_tmp(self) -> Path | None:
        """The shed's folder for temporary files, if this call has opened the shed."""
        return self._shed.tmp if self._shed is not None else None

    def close(self) -> None:
        if self._shed is not None:
            self._shed.close()


def _here_or_above() -> Path | None:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()), None)


def scope_of(context: typer.Context) -> Scope:
    found: Scope = context.obj
    return found
