"""The rules for names that the user's code gives: metrics and artifacts.

The same rules stand in `storage/names.py`, which this side cannot import; a test holds the two together.
"""

from __future__ import annotations

from pathlib import PurePosixPath

METRIC_RULE = "1 to 250 printable characters, parts separated by '/', none of them empty, '.' or '..'"
PATH_RULE = "a relative path without '..' and control characters"


def checked_metric_name(value: object) -> str:
    """Return `value` when it may name a metric: any depth, such as `val/slices/carrier/UA/auroc`.

    Raises:
        TypeError: when it is not text.
        ValueError: with the rule.
    """
    if not isinstance(value, str):
        raise TypeError(f"a metric's name is text, not {value!r} ({type(value).__name__})")
    parts = value.split("/")
    if not 0 < len(value) <= 250 or not value.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{value!r} cannot name a metric; expected: {METRIC_RULE}")
    return value


def checked_relative_path(value: object, what: str) -> PurePosixPath:
    """Return `value` as a path below some folder.

    Raises:
        TypeError: when it is not text.
        ValueError: when it is absolute, climbs out with `..`, or holds a NUL or another control character.
    """
    if not isinstance(value, str):
        raise TypeError(f"the path of a {what} is text, not {value!r} ({type(value).__name__})")
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError(f"{value!r} cannot be the path of a {what}; expected: {PATH_RULE}")
    return path
