"""Errors that a person reads: what is wrong, where, what was expected and what to do next."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class TrainshedError(Exception):
    """Anything that trainshed tells a person instead of a traceback.

    Attributes:
        message: what is wrong, one sentence without a full stop at the end.
        place: the file, line, key, column or name it is about; empty when the message says it.
        expected: what would have been right.
        todo: what to do next.
        facts: what is kept with the stage that raised it, JSON-able.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, place: str = "", expected: str = "", todo: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.expected = expected
        self.todo = todo
        self.facts: dict[str, Any] = {}

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        lines = [head]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.todo:
            lines.append(f"  next: {self.todo}")
        return "\n".join(lines)


class RunFailed(TrainshedError):
    """A run, or a stage of it, ended without its result."""

    exit_code = 1


class ShedError(TrainshedError):
    """The shed cannot be opened, read or written."""

    exit_code = 1


class UsageError(TrainshedError):
    """Bad usage or configuration: nothing was started."""

    exit_code = 2


class DataInvalid(TrainshedError):
    """Data validation stopped the pipeline."""

    exit_code = 3


class GateRefused(TrainshedError):
    """A gate rule does not hold, so no alias moved."""

    exit_code = 4


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "…"?` for the closest known word, or an empty string."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.55)
    return f'did you mean "{found[0]}"?' if found else ""
