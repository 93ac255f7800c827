"""DuckDB as an engine: connections in memory, over files."""

from __future__ import annotations

import duckdb


def in_memory(**config: str | int) -> duckdb.DuckDBPyConnection:
    """A connection with the given configuration. No progress bar is drawn: it would go to stdout, among JSON lines."""
    con = duckdb.connect(config=config)
    con.execute("set enable_progress_bar = false")
    return con
