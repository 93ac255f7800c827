"""What the rows of the shed refer to: everything else in its directories is garbage.

References are found by what they look like, not by the columns they stand in: a column that is added later is never
forgotten here, and a text that only looks like a digest keeps one object too many at worst.
"""

from __future__ import annotations

import re

from sqlalchemy import JSON, String
from sqlmodel import SQLModel, col, select

from storage.shed import Shed
from storage.tables import Audit, DatasetVersion, Run, Stage

DIGEST = re.compile(r"[0-9a-f]{64}")
PIECE = 1000


def digests(shed: Shed) -> set[str]:
    """Every digest in any row but those of the audit, which also remembers what was removed."""
    found: set[str] = set()
    with shed.reading() as session:
        connection = session.connection()
        for table in SQLModel.metadata.sorted_tables:
            texts = [f'"{column.name}"' for column in table.columns if isinstance(column.type, (String, JSON))]
            if table.name == Audit.__tablename__ or not texts:
                continue
            rows = connection.exec_driver_sql(f'SELECT {", ".join(texts)} FROM "{table.name}"').yield_per(PIECE)
            for row in rows:
                for text in row:
                    if text:
                        found.update(DIGEST.findall(text))
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
