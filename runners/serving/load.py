"""A load of single rows on an endpoint: each connection asks, and asks again as soon as it is answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Load:
    """What all connections share. `took` are seconds, in the order of the answers; `failed` were not answered 200."""

    requests: Iterator[bytes]
    until: float
    most: int | None
    ended: asyncio.Future[None]
    took: list[float] = field(default_factory=list)
    failed: int = 0


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the one before is answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._seen = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, end, body = self._seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        now = time.perf_counter()
        self._load.took.append(now - self._asked_at)
        self._load.failed += head[9:12] != b"200"
        if len(self._load.took) == self._load.most:
            self._load.ended.set_result(None)
        elif now < self._load.until:
            self._ask()

    def _ask(self) -> None:
        self._seen, self._asked_at = b"", time.perf_counter()
        self.transport.write(next(self._load.requests))


async def asked(
    port: int,
    connections: int,
    seconds: float,
    bodies: Sequence[bytes],
    token: str,
    *,
    most: int | None = None,
    path: str = "/predict",
) -> Load:
    """POST these bodies in turn, over so many connections, for so long or until `most` requests."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: "
    ).encode()
    requests = [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
    loop = asyncio.get_running_loop()
    load = Load(itertools.cycle(requests), time.perf_counter() + seconds, most, loop.create_future())
    made = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    with suppress(TimeoutError):
        await asyncio.wait_for(load.ended, seconds + 0.1)
    for transport, _ in made:
        transport.close()
    return load
