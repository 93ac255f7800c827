"""Whether a file is whole, told from its first and last bytes alone."""

from __future__ import annotations

import os
from pathlib import Path

from storage.errors import UsageError
from storage.reading import file_format

PARQUET = b"PAR1"
SMALLEST_PARQUET = 12


def incomplete(path: Path, name: str) -> str:
    """Why the file cannot be whole yet; empty where it can. `name` tells its format; of others nothing is known.

    Raises:
        OSError: when it cannot be read, or is gone.
    """
    try:
        kind = file_format(name)
    except UsageError:
        return ""
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    if name.endswith(".gz"):
        return ""
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-min(size, 64), os.SEEK_END)
        tail = file.read(64)
    if kind == "parquet":
        whole = size >= SMALLEST_PARQUET and head == PARQUET and tail.endswith(PARQUET)
        return "" if whole else "its footer is not there yet"
    if kind == "json" and Path(name).suffix.lower() == ".json":
        return "" if tail.rstrip()[-1:] in (b"]", b"}") else "its last bracket is not there yet"
    return "" if tail.endswith((b"\n", b"\r")) else "its last line has no end yet"
