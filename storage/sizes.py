"""Sizes as people write them: `10GB`, `512MiB`."""

from __future__ import annotations

import re

from storage.errors import UsageError

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


def parsed_size(text: str, what: str) -> int:
    """Bytes: `10GB` is 10⁹ each, `10GiB` 2³⁰, a bare number is bytes.

    Raises:
        UsageError: naming `what` when it is no size, or nothing.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{what} {text}: not a size", expected="such as 10GB or 512MiB")
    letter = found[2].upper()
    unit = 1024 ** "KMGT".index(letter) * 1024 if found[3] and letter else _UNITS[letter]
    size = int(float(found[1]) * unit)
    if size <= 0:
        raise UsageError(f"{what} {text}: nothing", expected="more than 0 bytes")
    return size
