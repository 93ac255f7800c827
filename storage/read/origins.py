"""What runs are known by wherever they are: the same run is told again in another shed, or when it comes back."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import load_only
from sqlmodel import select

from storage.shed import Shed
from storage.tables import IMPORTED, Run

NEEDED: tuple[Any, ...] = (Run.kind, Run.identity, Run.host, Run.created_at)


def origins(shed: Shed) -> dict[str, int]:
    """The origin of every run in the shed → its number."""
    with shed.reading() as session:
        query = select(Run).options(load_only(*NEEDED))
        return {origin_of(run): run.id or 0 for run in session.exec(query)}


def origin_of(run: Run) -> str:
    return run.identity if run.kind == IMPORTED else f"trainshed:{run.host}:{run.id}:{run.created_at!r}"
