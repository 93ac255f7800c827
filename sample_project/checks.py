"""A check of the project's own, for what the lists in trainshed.toml cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

LEAST = 0.5  # of the flights that an ordinary day of its month has


def whole_days(data: Any) -> Iterator[dict[str, Any]]:
    """Find days with no flight or far too few: a file that was cut off or half copied still looks well row by row.

    Args:
        data: `data.path` is a Parquet file with the query's result.

    Yields:
        The check that failed, how many days fail it, and those days.
    """
    days = duckdb.execute(
        """
        with flown as (
          select (time_hour - interval 5 hours)::date as day, count(*) as flights  -- New York's day, not Greenwich's
          from read_parquet($path) group by day
        ),
        calendar as (
          select unnest(generate_series(min(day), max(day), interval 1 day))::date as day from flown
        )
        select day, coalesce(flights, 0) as flights,
               median(coalesce(flights, 0)) over (partition by date_trunc('month', day)) as usual
        from calendar left join flown using (day) order by day
        """,
        {"path": data.path},
    ).fetchall()
    short = [
        {"day": str(day), "flights": flights, "usual": usual} for day, flights, usual in days if flights < LEAST * usual
    ]
    if short:
        yield {"check": f"days with under {LEAST:.0%} of their month's flights", "count": len(short), "rows": short}
