"""A version is tried before it serves: `python -m runners.serving.trial`, a process of its own.

What crashes or hangs while it is loaded takes only this process with it. Reads a `Version` as JSON on stdin, and tells
on stdout whether it may serve, with a record of its dataset as the example.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners.packaging.signature import Signature
from runners.serving import records
from runners.serving.session import Loaded, Version, finite
from storage.errors import RunFailed, TrainshedError

SAMPLES = 64


def tried(
    version: Version, rows: Path | None, *, threads: int, device: str, hidden: Collection[str] = ()
) -> dict[str, Any]:
    """Load, warm and check a version. Returns its example, without values of `hidden` columns, and what one row costs.

    Raises:
        RunFailed: when it may not serve.
    """
    signature = Signature.from_json(version.signature)
    samples = records.sampled(rows, signature, SAMPLES) if rows is not None and rows.exists() else []
    samples = samples or [records.plain_record(signature)]
    loaded = Loaded(replace(version, example=samples[0]), threads=threads, device=device)
    outputs = loaded.warm(samples)
    if any(len(values) != len(samples) for values in outputs):
        raise RunFailed(f"the model gives another number of rows than the {len(samples)} that it got")
    if not finite(outputs):
        raise RunFailed("the model answers NaN or infinity on rows of its own dataset")
    plain = records.plain_record(signature)
    example = {name: plain[name] if name in hidden else value for name, value in samples[0].items()}
    return {"example": example, "row_ms": loaded.seconds * 1000}


def main() -> int:
    given = json.load(sys.stdin)
    rows = Path(given["rows"]) if given["rows"] else None
    try:
        version = Version(**given["version"])
        found = tried(version, rows, threads=given["threads"], device=given["device"], hidden=given["hidden"])
    except (TrainshedError, OSError) as err:
        print(json.dumps({"refused": str(err)}))
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
