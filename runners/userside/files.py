"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Optional


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a private file beside `path`; when the block ends well it takes the place of `path`, safe from a power cut.

    When the block raises, the private file is removed and whatever stood at `path` is untouched.
    """
    private = f"{path}.{os.getpid()}.tmp"
    try:
        with open(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(private, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(private)
        raise
    sync_directory(os.path.dirname(path) or ".")


def sync_directory(path: str) -> None:
    """Make the names in a directory safe from a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def plain(value: Any) -> Any:
    """What stands in JSON for a value that JSON lacks: a number for numpy's and torch's numbers, else its text."""
    try:
        return value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return str(value)


def to_json(value: Any, indent: Optional[int] = None) -> bytes:
    """Strict JSON, which has no NaN and no infinity: these become texts."""
    try:
        return json.dumps(value, indent=indent, default=plain, allow_nan=False).encode()
    except ValueError:
        loose = json.loads(json.dumps(value, default=plain), parse_constant=str)
        return json.dumps(loose, indent=indent).encode()


def write_json(path: str, value: Any) -> None:
    """Write `value` as JSON at `path`, whole or not at all."""
    content = to_json(value, indent=1)
    with replacing(path) as file:
        file.write(content)
