"""A connection that cannot be held for nothing: too long a head, too slow a request, an answer that nobody takes."""

from __future__ import annotations

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 << 10
PARTING_S = 0.2


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, which also knows since when it has been waiting for its client.

    `most` connections at once are held; one more is closed at once. The application is a Door.
    """

    most = 4096

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._asked_since: float | None = time.monotonic()
        self._told_since: float | None = None
        self._head: int | None = 0  # bytes of it so far; None after its end
        self._parting = False
        if len(self.connections) > self.most:
            transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        self.app.no_http(self.client, 400)
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._asked_since = time.monotonic()
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()
        if self._parting:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._asked_since = None
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends. A request that is on its way meanwhile is answered too, and is told to be the last."""
        self._parting = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(PARTING_S, super().shutdown)
        else:
            self.cycle.keep_alive = False

    def overdue(self, patience_s: float) -> bool:
        """Whether the rest of a request, or the taking of its answer, has been waited for too long."""
        now = time.monotonic()
        if not self.transport.get_write_buffer_size():
            self._told_since = None
        elif self._told_since is None:
            self._told_since = now
        return any(since is not None and now - since > patience_s for since in (self._asked_since, self._told_since))
