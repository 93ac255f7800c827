"""The load generator as a process: `python -m benchmarks.load PORT CONNECTIONS SECONDS PATH BODY [TOKEN]`.

Prints requests a second, p50 and p99 in milliseconds, and how many were not answered 200, as JSON.
"""

from __future__ import annotations

import json
import sys

import uvloop

from runners.serving.load import asked


async def _run(port: int, connections: int, seconds: float, path: str, body: bytes, token: str) -> None:
    load = await asked(port, connections, seconds, [body], token, path=path)
    took = sorted(load.took)
    quantiles = {f"p{share}": took[len(took) * share // 100] * 1000 for share in (50, 99)}
    print(json.dumps({"rate": len(took) / seconds, "failed": load.failed, **quantiles}))


if __name__ == "__main__":
    port, connections, seconds, path, body, *token = sys.argv[1:]
    uvloop.run(_run(int(port), int(connections), float(seconds), path, body.encode(), token[0] if token else ""))
