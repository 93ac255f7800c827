"""Second versions of endpoints: what goes on, and what came of those before."""

from __future__ import annotations

from sqlmodel import col, select

from storage.shed import Shed
from storage.tables import Rollout


def going(shed: Shed, endpoint: str) -> Rollout | None:
    """What an endpoint serves beside its own version; None where that is alone."""
    with shed.reading() as session:
        return session.exec(select(Rollout).where(Rollout.endpoint == endpoint, Rollout.status == "going")).first()


def newest(shed: Shed, endpoint: str) -> Rollout | None:
    """What goes on, else what ended last."""
    return next(iter(history(shed, endpoint, 1)), None)


def history(shed: Shed, endpoint: str, limit: int = 50) -> list[Rollout]:
    """Newest first."""
    with shed.reading() as session:
        query = select(Rollout).where(Rollout.endpoint == endpoint).order_by(col(Rollout.id).desc())
        return list(session.exec(query.limit(limit)))
