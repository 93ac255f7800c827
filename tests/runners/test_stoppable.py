from __future__ import annotations

import os
import signal
import threading

import duckdb
import pytest

from runners.stoppable import stoppable

ENDLESS = "select sum(a.i * b.i) from range(10000000) a(i), range(10000000) b(i)"


def test_ctrl_c_stops_sql_that_would_run_for_years() -> None:
    started = threading.Event()

    def interrupt() -> None:
        started.wait()
        os.kill(os.getpid(), signal.SIGINT)

    def work() -> object:
        started.set()
        return con.execute(ENDLESS).fetchall()

    with duckdb.connect(config={"threads": 2}) as con:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            stoppable(con, work)
        assert con.execute("select 1").fetchall() == [(1,)]


def test_what_the_work_gives_or_raises_comes_through() -> None:
    with duckdb.connect() as con:
        assert stoppable(con, lambda: con.execute("select 42").fetchall()) == [(42,)]
        with pytest.raises(duckdb.CatalogException):
            stoppable(con, lambda: con.execute("select * from nowhere"))
