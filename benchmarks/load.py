"""A load generator: `python -m benchmarks.load PORT CONNECTIONS SECONDS BODY [TOKEN]`; each connection asks and asks.

Prints requests a second, p50 and p99 in milliseconds, and how many were not answered 200, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop


class Load:
    """What all connections share."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request = request
        self.until = until
        self.took: list[float] = []
        self.failed = 0


class Connection(asyncio.Protocol):
    """Sends the request again as soon as it is answered."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.seen = b""
        self.at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, end, body = self.seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        now = time.perf_counter()
        self.load.took.append(now - self.at)
        self.load.failed += head[9:12] != b"200"
        if now < self.load.until:
            self._ask()
        else:
            self.transport.close()

    def _ask(self) -> None:
        self.seen, self.at = b"", time.perf_counter()
        self.transport.write(self.load.request)


async def _run(port: int, connections: int, seconds: float, body: bytes, token: str) -> None:
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    load = Load(head.encode() + body, time.perf_counter() + seconds)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await asyncio.sleep(seconds + 0.2)
    took = sorted(load.took)
    quantiles = {f"p{share}": took[len(took) * share // 100] * 1000 for share in (50, 99)}
    print(json.dumps({"rate": len(took) / seconds, "failed": load.failed, **quantiles}))


if __name__ == "__main__":
    uvloop.run(
        _run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].encode(), (sys.argv[5:] or [""])[0])
    )
