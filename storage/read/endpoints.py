"""Endpoints as they were asked for; what they do at this moment lies in their directories."""

from __future__ import annotations

from sqlmodel import select

from storage.errors import UsageError, nearest
from storage.shed import Shed
from storage.tables import Endpoint


def every(shed: Shed) -> list[Endpoint]:
    with shed.reading() as session:
        return list(session.exec(select(Endpoint).order_by(Endpoint.name)))


def find(shed: Shed, name: str) -> Endpoint | None:
    with shed.reading() as session:
        return session.get(Endpoint, name)


def named(shed: Shed, name: str) -> Endpoint:
    """Raises UsageError with the nearest name when there is no such endpoint."""
    found = find(shed, name)
    if found is None:
        known = [endpoint.name for endpoint in every(shed)]
        raise UsageError(
            f'no endpoint "{name}"', todo=nearest(name, known) or f"`trainshed endpoints start {name}` makes one"
        )
    return found
