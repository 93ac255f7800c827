"""A process of its own that looks into new files: one that crashes the parser, or eats all memory, ends only this.

Reads a JSON object `{"path": …, "name": …}` a line, and answers each with one: `columns` and `rows`, or a `fault`.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path

MEMORY_BYTES = 4 << 30
CPU_S = 600
MOST_COLUMNS = 10_000
HEAD_BYTES = 1 << 22


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    from storage.errors import TrainshedError
    from storage.memory import in_memory
    from storage.reading import Source, file_schema

    in_memory().close()  # what is slow the first time is done before the first file comes
    for line in sys.stdin:
        asked = json.loads(line)
        path, name = Path(asked["path"]), asked["name"]
        try:
            fault = too_wide(path, name)
            if not fault:
                columns, rows = file_schema(Source(path, name))
                if len(columns) > MOST_COLUMNS:
                    fault = f"it has {len(columns):,} columns; more than {MOST_COLUMNS:,} are not read"
                else:
                    answer(columns=[asdict(column) for column in columns], rows=rows)
        except TrainshedError as err:
            fault = err.message
        except MemoryError:
            fault = "it needs more memory to read than a file may"
        except OSError as err:
            fault = str(err.strerror or err)
        if fault:
            answer(fault=fault)
    return 0


def too_wide(path: Path, name: str) -> str:
    """Why a text file is refused before a parser sees it; empty where it is not."""
    if not name.lower().endswith((".csv", ".tsv")):
        return ""
    with path.open("rb") as file:
        head = file.readline(HEAD_BYTES)
    if len(head) == HEAD_BYTES:
        return f"its first line is longer than {HEAD_BYTES:,} bytes"
    columns = max(head.count(mark) for mark in b",;|\t") + 1
    return f"it has {columns:,} columns; more than {MOST_COLUMNS:,} are not read" if columns > MOST_COLUMNS else ""


def answer(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
