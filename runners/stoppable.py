"""Long SQL that Ctrl-C stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import duckdb

Result = TypeVar("Result")
ASK_AGAIN_S = 0.1  # between two statements of the work there is nothing to interrupt


def stoppable(con: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Do `work`, which runs SQL on `con`, and return or raise what it does.

    DuckDB with several threads does not notice signals. So it works in a thread here, and this one waits for Ctrl-C.
    """
    done: Future[Result] = Future()

    def run() -> None:
        if done.set_running_or_notify_cancel():
            try:
                done.set_result(work())
            except BaseException as err:
                done.set_exception(err)

    try:
        threading.Thread(target=run, name="duckdb", daemon=True).start()
        return done.result()
    except KeyboardInterrupt:
        while not (done.cancel() or done.done()):
            con.interrupt()
            wait([done], ASK_AGAIN_S)
        raise
