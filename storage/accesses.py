"""A request as an endpoint's access log keeps it: one line of JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class Access(msgspec.Struct, gc=False):
    """A request as it is kept.

    Attributes:
        at: when it came, in seconds of the epoch.
        remote: the address it came from; empty at the Unix socket.
        method, path: as it was asked; empty for what was no HTTP. The path without its query.
        status: of the answer; 0 where none was sent.
        bytes: of the answer's body.
        ms: from the request's head to the end of its answer.
        id: that the answer and the prediction log carry; empty where nothing was predicted.
        token: the name of the token that opened; empty where none did.
    """

    at: float
    remote: str
    method: str
    path: str
    status: int
    bytes: int
    ms: float
    id: str = ""
    token: str = ""

    def facts(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)
