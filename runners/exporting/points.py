"""Points of any number of runs, gathered in parts of a fixed size and put together by DuckDB: memory stays flat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from duckdb import DuckDBPyConnection

from runners.actions.curves import EPOCH, epochs_at
from runners.exporting.layout import METRIC_COLUMNS
from storage.columns import literal
from storage.metrics import Series

PART = 1_000_000  # points that are kept in memory, 48 bytes each
OPTIONS = {"parquet": "format parquet, compression zstd", "csv": "format csv, header"}


class Points:
    """Add runs in the order in which they shall lie; then `write` all of them as one file."""

    def __init__(self, memory: DuckDBPyConnection, folder: Path) -> None:
        self._memory, self._folder = memory, folder
        self._parts: list[str] = []
        self._names: list[str] = []
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in METRIC_COLUMNS}
        self._waiting = 0
        self.count = 0
        told = ", ".join(f"{name} {kind}" for name, kind in METRIC_COLUMNS.items())
        memory.execute(f"create table part ({told})")

    def add(self, run_id: int, found: Mapping[str, Series]) -> None:
        """Every point of a run."""
        epochs = found.get(EPOCH)
        for name, series in found.items():
            count = len(series)
            self._columns["run"].append(np.full(count, run_id, np.int64))
            self._columns["name"].append(np.full(count, len(self._names), np.int64))
            self._columns["step"].append(series.step)
            self._columns["time"].append(series.time)
            epoch = epochs_at(series.step, epochs) if epochs is not None else np.full(count, np.nan)
            self._columns["epoch"].append(epoch)
            self._columns["value"].append(series.value)
            self._names.append(name)
            self._waiting += count
            if self._waiting >= PART:
                self._put_down()

    def write(self, file: Path, form: str) -> None:
        self._put_down()
        parts = ", ".join(literal(part) for part in self._parts)
        rows = f"read_parquet([{parts}])" if parts else "part"
        self._memory.execute(f"copy (from {rows}) to {literal(str(file))} ({OPTIONS[form]})")
        for part in self._parts:
            Path(part).unlink()

    def _put_down(self) -> None:
        if not self._waiting:
            return
        self._memory.register("gathered", {name: np.concatenate(parts) for name, parts in self._columns.items()})
        self._memory.execute(
            """insert into part select run, list_extract($names, name + 1), step, time,
            case when isnan(epoch) then null else epoch end, coalesce(value, 'nan') from gathered""",
            {"names": self._names},
        )
        self._memory.unregister("gathered")
        self._parts.append(str(self._folder / f"part-{len(self._parts)}.parquet"))
        self._memory.execute(f"copy part to {literal(self._parts[-1])} (format parquet)")
        self._memory.execute("truncate part")
        self.count += self._waiting
        self._names, self._waiting = [], 0
        for parts in self._columns.values():
            parts.clear()
