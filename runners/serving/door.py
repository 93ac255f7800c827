"""What every request passes first: who asks, from where, and how much. Everything but health needs a token.

Loopback is no authentication: on a shared machine every user reaches 127.0.0.1, and so does every web page that a
browser here has open. Hence the token, and the checks of Host (DNS rebinding) and Origin (a page of somebody else's).
"""

from __future__ import annotations

from typing import Any

import msgspec

from runners.serving.refusals import Refused
from runners.serving.state import Serving

HEALTH = frozenset({"/health", "/v2/health/live", "/v2/health/ready"})
ADMIN = frozenset({"/metrics"})

Scope = Any
Receive = Any
Send = Any


class Door:
    """An ASGI application around another."""

    def __init__(self, app: Any, serving: Serving) -> None:
        self._app = app
        self._serving = serving
        own = ["127.0.0.1", "localhost", "[::1]", *serving.rules.hosts]
        self._hosts = {host.lower().encode() for name in own for host in (name, f"{name}:{serving.port}")}
        pages = [f"http://127.0.0.1:{serving.port}", f"http://localhost:{serving.port}", *serving.rules.origins]
        self._origins = {page.lower().encode() for page in pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Refused as err:
            self._serving.figures.add("unauthorized" if err.status in (401, 403) else "refused")
            await answer_refused(send, err)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        host = origin = token = length = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host is not None:
                    raise Refused(400, "more than one Host header")
                host = value
            elif name == b"authorization":
                token = value
            elif name == b"origin":
                origin = value
            elif name == b"content-length":
                length = value
            elif name == b"content-encoding" and value != b"identity":
                raise Refused(415, "compressed bodies are not taken")
        if host is None or host.lower() not in self._hosts:
            raise Refused(421, "this Host is not served here: 127.0.0.1 and localhost are, and [serve] hosts")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(403, "web pages of this Origin may not call: [serve] origins names those that may")
        if length is not None and int(length) > self._serving.max_body:
            raise Refused(413, f"the body is longer than {self._serving.rules.max_body_mb:g} MB")
        path = scope["path"]
        if path in HEALTH:
            return
        if token is None or token[:7].lower() != b"bearer ":
            raise Refused(401, "no token: send Authorization: Bearer …, as `trainshed endpoints tokens create` told it")
        granted = self._serving.tokens.scope_of(token[7:].strip())
        if granted is None:
            raise Refused(401, "this token is unknown, or revoked")
        if granted != "admin" and path in ADMIN:
            raise Refused(403, "this token's scope is predict; this needs admin")


async def body_of(receive: Receive, most: int) -> bytes:
    """The whole body. Raises Refused when it is too long, or the client went away."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect":
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise Refused(413, f"the body is longer than {most / 2**20:g} MB")
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client went away")
        body = b"".join(parts)
    if len(body) > most:
        raise Refused(413, f"the body is longer than {most / 2**20:g} MB")
    return body


async def answer(
    send: Send,
    body: bytes,
    status: int = 200,
    media: bytes = b"application/json",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send a whole response."""
    known = [(b"content-type", media), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": known + (headers or [])})
    await send({"type": "http.response.body", "body": body})


async def answer_refused(send: Send, err: Refused) -> None:
    await answer(send, msgspec.json.encode(err.facts()), err.status, headers=err.headers())
