"""The project that a newcomer runs first."""

from __future__ import annotations

from pathlib import Path

from runners.actions import projects
from storage.errors import UsageError
from storage.project import FILE_NAME

SAMPLE = Path(__file__).parents[2] / "sample_project"  # where trainshed was installed from a checkout
PLACE = "trainshed-sample"


def sample_project(parent: Path) -> Path:
    """The directory of the flights project; of an installation without it, a small one, made in `parent` once.

    Raises:
        UsageError: when it cannot be written there.
    """
    if (SAMPLE / FILE_NAME).is_file():
        return SAMPLE
    folder = parent / PLACE
    if (folder / FILE_NAME).is_file():
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("something else is there", place=str(folder), todo="start trainshed in another directory")
    return projects.create(folder, "table").folder
