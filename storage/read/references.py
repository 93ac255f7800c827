"""What the rows of the shed refer to: everything else in its directories is garbage.

References are found by what they look like, not by where they stand: a column or table that is added later is never
forgotten here, and a text that only looks like a digest keeps one object too many at worst.
"""

from __future__ import annotations

import re

from sqlmodel import col, select

from storage.shed import Shed
from storage.tables import Audit, DatasetVersion, Run, Stage

DIGEST = re.compile(r"[0-9a-f]{64}")
PIECE = 1000


def digests(shed: Shed) -> set[str]:
    """Every digest in any row but those of the audit, which also remembers what was removed."""
    found: set[str] = set()
    with shed.reading() as session:
        connection = session.connection()
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        for table in tables:
            if table == Audit.__tablename__:
                continue
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"').yield_per(PIECE):
                for value in row:
                    if isinstance(value, str):
                        found.update(DIGEST.findall(value))
    return found


def manifests(shed: Shed) -> list[str]:
    """The manifest of every dataset version."""
    with shed.reading() as session:
        return list(session.exec(select(DatasetVersion.manifest)))


def stage_keys(shed: Shed) -> set[str]:
    """The keys of every stage of every run."""
    with shed.reading() as session:
        return set(session.exec(select(Stage.key).distinct()))


def run_ids(shed: Shed) -> set[int]:
    with shed.reading() as session:
        return {run_id for run_id in session.exec(select(Run.id)) if run_id is not None}


def running(shed: Shed) -> list[Run]:
    """Runs that are said to be running."""
    with shed.reading() as session:
        return list(session.exec(select(Run).where(Run.status == "running").order_by(col(Run.created_at))))
