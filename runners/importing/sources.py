"""What a foreign store holds, before anything of it is taken in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from unicodedata import combining, normalize

import numpy as np

from storage.errors import DataInvalid, UsageError
from storage.names import NAME_RULE, checked_metric_name
from storage.write.imported import Imported

LONGEST_NAME = 100  # characters of a run, a project, a tag, a user
LONGEST_TEXT = 65_536  # of a param or a remark: ten times what MLflow itself takes
LAST_MOMENT = 253_402_300_800.0  # the year 10000, which no calendar here can show
FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+")

LeftOut = Literal["", "deleted", "unfinished"]


@dataclass(frozen=True)
class Entry:
    """One run of a store. Nothing but its head has been read; `read` does the rest.

    Attributes:
        origin: what the run is known by, wherever it is.
        place: the file, or the row of a file, that an error names.
        left_out: why it is not taken in, unless somebody asks for it.
        parent: the origin of the run that it is a part of.
        read: raises DataInvalid for what cannot be read.
    """

    origin: str
    place: str
    name: str
    project: str
    started_at: float | None
    left_out: LeftOut
    read: Callable[[], Imported]
    parent: str = ""


@dataclass(frozen=True)
class Problem:
    """A run, or a group of them, that cannot be taken in."""

    place: str
    message: str


@dataclass(frozen=True)
class Store:
    """The runs of one place. `kind` is told to people; `problems` are those whose heads cannot be read."""

    kind: str
    place: str
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def as_name(text: str, *, otherwise: str) -> str:
    """The text as the rule for names has it: whatever breaks it is a dash; `otherwise` where nothing is left."""
    plain = "".join(letter for letter in normalize("NFKD", text) if not combining(letter))
    return FORBIDDEN.sub("-", plain).strip("-.")[:LONGEST_NAME] or otherwise


def as_title(text: str, *, otherwise: str) -> str:
    """A name of any language on one line."""
    told = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(told.split())[:LONGEST_NAME] or otherwise


def checked_project(name: str) -> str:
    """Raises UsageError for a name that breaks the rule."""
    if as_name(name, otherwise="") != name:
        raise UsageError(f"{name!r} cannot be the name of a project", expected=NAME_RULE)
    return name


def checked(run: Imported, place: str) -> Imported:
    """The run, if its names, texts and times are such as a shed may hold.

    Raises:
        DataInvalid: naming what is not.
    """
    for moment in (run.created_at, run.started_at, run.ended_at):
        if moment is not None and not 0 <= moment < LAST_MOMENT:
            raise DataInvalid(f"{moment:g} is no moment", place=place, expected="seconds since 1970")
    for name, text in run.params.items():
        if not name or len(name) > LONGEST_TEXT or len(text) > LONGEST_TEXT:
            raise DataInvalid(
                f"the param {name[:40]!r} is too long, or has no name",
                place=place,
                expected=f"{LONGEST_TEXT:,} characters",
            )
    _encodable([*run.params, *run.params.values(), *run.tags, *(text for *_, text in run.remarks)], place)
    for name in (*run.series, *run.values):
        try:
            checked_metric_name(name)
        except UsageError as err:
            raise DataInvalid(err.message, place=place, expected=err.expected) from None
    for name, series in run.series.items():
        if not np.isfinite(series.time).all():
            raise DataInvalid(f"a point of {name} has no time", place=place)
    return run


def _encodable(texts: list[str], place: str) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DataInvalid(f"{text!r} is no text", place=place, expected="UTF-8") from None
