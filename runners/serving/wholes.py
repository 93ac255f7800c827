"""Integers as JSON Schema has them: 720.0 and 7.2e2 are 720, for the clients whose numbers are all floats."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

MOST = 2**63
_WANTED = re.compile(r"`[a-z |]*\bint\b[a-z |]*`, got `float`")

T = TypeVar("T")


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the decoder makes of a body; only one that it refuses for such an integer is read a second time.

    Raises:
        msgspec.DecodeError, RecursionError: as the decoder.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as err:
        if not _WANTED.search(str(err)):
            raise
    return msgspec.convert(whole(msgspec.json.decode(body)), decoder.type)


def whole(value: Any) -> Any:
    """A decoded value with its whole numbers as integers, however deep they lie."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < MOST else value
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    return value
