"""What a decoder found wrong with a request, in the words of those who send it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from runners.serving.refusals import Refused
from storage.errors import nearest

KINDS = {
    "float": "a number", "int": "an integer", "str": "a text", "bool": "true or false", "null": "null",
    "array": "a list", "object": "an object",
}  # fmt: skip
TOLD_NAMES = 20
LOOKED_THROUGH = 200  # names, for one that is like an unknown one: that takes time
LONGEST_NAME = 100
_AT = re.compile(r" - at `\$(.*)`$", re.S)
_ROW = re.compile(r"^\[(\d+)\]")
_MISSING = re.compile(r"missing required field `(.*?)`", re.S)
_UNKNOWN = re.compile(r"contains unknown field `(.*?)`", re.S)
_KIND = re.compile(r"^Expected `([a-z |]+)`, got `([a-z]+)`$")


def refused(err: msgspec.ValidationError, names: Sequence[str]) -> Refused:
    """The column and the row that are wrong, what was expected there, and what came. `names` are those there are."""
    message = str(err)
    where = _AT.search(message)
    path = where[1] if where else ""
    message = _AT.sub("", message)
    row = _ROW.match(path)
    path = _ROW.sub("", path) if row else path
    column = path.removeprefix(".").removesuffix("[...]").partition("[")[0] or None
    if missing := _MISSING.search(message):
        column, message = missing[1], f'"{missing[1]}" is missing'
    elif unknown := _UNKNOWN.search(message):
        column = unknown[1][:LONGEST_NAME]
        known = ", ".join(names[:TOLD_NAMES]) + (" …" if len(names) > TOLD_NAMES else "")
        message = f'there is no "{column}": ' + (nearest(column, names[:LOOKED_THROUGH]) or f"expected are {known}")
    elif kind := _KIND.match(message):
        *others, last = map(_told, kind[1].split(" | "))
        message = f"expected {' or '.join([', '.join(others), last] if others else [last])}, got {_told(kind[2])}"
    else:
        message = message[0].lower() + message[1:].replace("`", '"')
    return Refused(422, message, column, int(row[1]) if row else None)


def _told(kind: str) -> str:
    return KINDS.get(kind, kind)
