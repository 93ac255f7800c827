"""Long SQL that Ctrl-C stops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import duckdb

Result = TypeVar("Result")
ASK_AGAIN_S = 0.1  # between two statements of the work there is nothing to interrupt


def stoppable(con: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Do `work`, which runs SQL on `con`, and return or raise what it does.

    DuckDB with several threads does not notice signals. So it works in a thread here, and this one waits for Ctrl-C.
    """
    with ThreadPoolExecutor(1, "duckdb") as pool:
        future = pool.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not wait([future], ASK_AGAIN_S).done:
                con.interrupt()
            raise
