"""SHED/settings.toml: what holds for everybody who uses the shed. Every key is optional, and so is the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from storage.errors import ShedError
from storage.sections import Section, checked, parsed

FILE_NAME = "settings.toml"


def usual_cpu_slots() -> int:
    """A slot for every two processors that this process may use, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


class QueueSection(Section):
    """`[queue]`: what may run at once, and whose turn it is.

    Attributes:
        cpu_slots: how many runs may work without a GPU at once.
        per_user: how many devices one user may hold at once; None: as many as there are.
        half_life_hours: after so long a device hour counts half against its user.
        patience_minutes: after so long the queue keeps devices free for a run that needs several.
    """

    cpu_slots: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=usual_cpu_slots)
    per_user: Annotated[int, Field(ge=1)] | None = None
    half_life_hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24.0
    patience_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0


class AgentSection(Section):
    """`[agent]`: `idle_minutes` is how long an agent that has nothing to do stays."""

    idle_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0


class Settings(Section):
    """A whole settings.toml, checked."""

    queue: QueueSection = Field(default_factory=QueueSection)
    agent: AgentSection = AgentSection()


def settings(shed_root: Path) -> Settings:
    """The shed's settings; the defaults where it has no settings.toml.

    Raises:
        UsageError: with the file, the line, the key, what was expected and the nearest right word.
        ShedError: when the file is there and cannot be read.
    """
    path = shed_root / FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as err:
        raise ShedError(f"cannot be read: {err.strerror}", place=str(path), todo="mend its permissions") from err
    raw, text = parsed(data, str(path))
    return checked(Settings, raw, text=text, place=str(path))
