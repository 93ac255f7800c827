"""Endpoints are asked for, and called off; tokens leave their trace here, never themselves."""

from __future__ import annotations

import socket
import time
from typing import Any

from storage.errors import UsageError
from storage.names import checked_name
from storage.shed import Shed, current_user
from storage.tables import Endpoint


def want(shed: Shed, name: str, model: str, alias: str, port: int, settings: dict[str, Any]) -> Endpoint:
    """Ask for an endpoint on this host.

    Raises:
        UsageError: when another user's endpoint has the name.
    """
    checked_name(name, "endpoint")
    with shed.writing("endpoint started", f"endpoint {name}") as write:
        now, user = time.time(), current_user()
        found = write.session.get(Endpoint, name)
        if found is not None and found.wanted == "running" and found.user != user:
            raise UsageError(f'endpoint "{name}" is {found.user}\'s, on {found.host}', todo="choose another --name")
        endpoint = found or Endpoint(
            name=name, model=model, alias=alias, user=user, host="", port=port, wanted="", created_at=now
        )
        endpoint.model, endpoint.alias, endpoint.user, endpoint.host = model, alias, user, socket.gethostname()
        endpoint.port, endpoint.settings, endpoint.wanted, endpoint.started_at = port, settings, "running", now
        endpoint.stopped_at = None
        write.session.add(endpoint)
        write.detail.update(model=model, alias=alias, port=port)
    return endpoint


def supervised_by(shed: Shed, name: str, supervisor: dict[str, Any]) -> None:
    """Note which process looks after the endpoint."""
    with shed.writing("endpoint supervised", f"endpoint {name}") as write:
        endpoint = write.session.get_one(Endpoint, name)
        endpoint.supervisor = supervisor
        write.session.add(endpoint)
        write.detail.update(pid=supervisor.get("pid"))


def call_off(shed: Shed, name: str) -> None:
    """The endpoint is not wanted any more."""
    with shed.writing("endpoint stopped", f"endpoint {name}") as write:
        endpoint = write.session.get_one(Endpoint, name)
        endpoint.wanted, endpoint.stopped_at = "stopped", time.time()
        write.session.add(endpoint)


def note(shed: Shed, name: str, action: str, **detail: Any) -> None:
    """Keep what happened to an endpoint: a swap, a version that it did not take, a token made or revoked."""
    with shed.writing(action, f"endpoint {name}") as write:
        write.detail.update(detail)
