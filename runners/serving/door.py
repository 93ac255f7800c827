"""What every request passes first: who asks, from where, and how much. Everything but health needs a token.

Loopback is no authentication: on a shared machine every user reaches 127.0.0.1, and so does every web page that a
browser here has open. Hence the token, and the checks of Host (DNS rebinding) and Origin (a page of somebody else's).
Who comes by the Unix socket is the endpoint's own user, as its file's mode says.
"""

from __future__ import annotations

import time
from base64 import b64decode
from contextlib import suppress
from typing import Any

import msgspec

from runners.serving import ports
from runners.serving.accesslog import Visit, shown_path
from runners.serving.paths import place_of
from runners.serving.refusals import Refused
from runners.serving.state import Serving
from storage.accesses import Access

HEALTH = frozenset({"/health", "/v2/health/live", "/v2/health/ready"})
ADMIN = frozenset({"/metrics"})
NO_PATH = "no such path: GET /schema tells which there are"
PAGE = "/schema"  # which a browser may open with the token as its password: nowhere else do browsers remember one
OWN = "/admin"  # and what is below it: by the Unix socket alone

Scope = Any
Receive = Any
Send = Any


class Door:
    """An ASGI application around another; `own` is the one at the Unix socket.

    Every request is told to the access log and counted by its route; what is inside finds its Visit in the scope.
    """

    def __init__(self, app: Any, serving: Serving, *, own: bool = False) -> None:
        self._app = app
        self._serving = serving
        self._own = own
        rules, port = serving.rules, serving.port
        names = ["127.0.0.1", "localhost", "[::1]", rules.address, *rules.hosts]
        self._hosts = {host.lower().encode() for name in names for host in (name, f"{name}:{port}")}
        pages = [f"{ports.scheme(rules)}://{name}:{port}" for name in ("127.0.0.1", "localhost")]
        self._origins = {page.lower().encode() for page in (*pages, *rules.origins)}
        self._proxies = frozenset(rules.behind_proxy) | {"127.0.0.1", "::1"} if rules.behind_proxy else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = scope["visit"] = Visit(send)
        try:
            self._check(scope, visit)
        except Refused as err:
            self._serving.figures.add("unauthorized" if err.status in (401, 403) else "refused")
            await answer_refused(visit, err)
        else:
            await self._app(scope, receive, visit)
        finally:
            del scope["visit"]  # it holds the server's `send`, and that this scope: only the collector would free them
            self._note(scope, visit)

    def no_http(self, client: tuple[str, int] | None, status: int) -> None:
        """What came was no HTTP, and was answered so."""
        self._serving.figures.add("refused")
        self._serving.access.add(Access(time.time(), client[0] if client else "", "", "", status, 0, 0.0))

    def _note(self, scope: Scope, visit: Visit) -> None:
        path, client, took = scope["path"], scope["client"], visit.milliseconds
        if visit.status:
            self._serving.figures.left(place_of(path), visit.status, took)
        self._serving.access.add(
            Access(
                visit.at,
                client[0] if client else "",
                scope["method"],
                shown_path(path),
                visit.status,
                visit.size,
                int(took * 1000) / 1000,  # a third of the time that round takes
                visit.id,
                visit.token,
            )
        )

    def _check(self, scope: Scope, visit: Visit) -> None:
        host = origin = token = length = forwarded = None
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
            elif name == b"x-forwarded-proto":
                forwarded = value
            elif name == b"content-encoding" and value != b"identity":
                raise Refused(415, "compressed bodies are not taken")
        path = scope["path"]
        if "//" in path or (path[-1:] == "/" and path != "/"):  # the routes would take it for another path
            raise Refused(404, NO_PATH)
        if length is not None and int(length) > self._serving.max_body:
            raise Refused(413, f"the body is longer than {self._serving.rules.max_body_mb:g} MB")
        if self._own:
            return
        if self._proxies is not None:
            self._check_proxy(scope, forwarded)
        if host is None or host.lower() not in self._hosts:
            raise Refused(421, "this Host is not served here: 127.0.0.1 and localhost are, and [serve] hosts")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(403, "web pages of this Origin may not call: [serve] origins names those that may")
        if path not in HEALTH:
            self._check_token(path, token, visit)

    def _check_proxy(self, scope: Scope, forwarded: bytes | None) -> None:
        if scope["client"] is None or scope["client"][0] not in (self._proxies or ()):
            raise Refused(403, "only the proxies that [serve] behind_proxy names may ask here")
        if forwarded is not None and forwarded.lower() != b"https":
            raise Refused(403, "the proxy was asked without TLS: ask it by https")

    def _check_token(self, path: str, header: bytes | None, visit: Visit) -> None:
        page = path == PAGE
        secret = _secret_in(header or b"", page)
        if not secret:
            told = "no token: send Authorization: Bearer …, as `trainshed endpoints tokens create` told it"
            raise Refused(401, told, password=page)
        known = self._serving.tokens.known(secret)
        if known is None:
            raise Refused(401, "this token is unknown, or revoked", password=page)
        visit.token = known.name
        if path.startswith(OWN):
            raise Refused(403, "only by the Unix socket in the endpoint's folder")
        if known.scope != "admin" and path in ADMIN:
            raise Refused(403, "this token's scope is predict; this needs admin")


def _secret_in(header: bytes, page: bool) -> bytes:
    """The token that an Authorization header holds; empty where it holds none."""
    kind, _, rest = header.partition(b" ")
    if kind.lower() == b"bearer":
        return rest.strip()
    if page and kind.lower() == b"basic":
        with suppress(ValueError):
            return b64decode(rest.strip(), validate=True).partition(b":")[2]
    return b""


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
