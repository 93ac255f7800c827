"""The rule for names and paths from outside: none can leave its folder or reach a terminal as an escape."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from storage.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
NAME_RULE = "1 to 100 letters, digits, '_', '-' and '.', starting with a letter, a digit or '_'"
METRIC_RULE = "1 to 250 printable characters, parts separated by '/', none of them empty, '.' or '..'"


def checked_name(value: str, what: str) -> str:
    """Return `value` when it may name a `what` (a dataset, model, alias, tag …).

    Raises:
        UsageError: with the rule.
    """
    if not NAME.fullmatch(value):
        raise UsageError(f"{value!r} cannot be the name of this {what}", expected=NAME_RULE)
    return value


def checked_metric_name(value: str) -> str:
    """Return `value` when it may name a metric: any depth, such as `val/slices/carrier/UA/auroc`.

    Raises:
        UsageError: with the rule.
    """
    parts = value.split("/")
    if not 0 < len(value) <= 250 or not value.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"{value!r} cannot name a metric", expected=METRIC_RULE)
    return value


def checked_relative_path(value: str, what: str) -> PurePosixPath:
    """Return `value` as a path below some folder.

    Raises:
        UsageError: when it is absolute, climbs out with `..`, or holds a NUL or another control character.
    """
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise UsageError(
            f"{value!r} cannot be the path of a {what}",
            expected="a relative path without '..' and control characters",
        )
    return path
