"""A version under load before it is promoted: at a trial endpoint, with all that a real one does with a request.

The endpoint is a worker as any other (tokens, checks, batching, prediction log), for this test alone: in a folder that
is removed again, on a port that is told nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from runners.packaging.signature import Signature
from runners.serving import following, load, ports, records
from runners.serving.crew import Crew
from runners.serving.tokens import Token, Tokens
from storage.errors import RunFailed
from storage.serve_section import ServeSection
from storage.shed import Shed
from storage.tables import ModelVersion

ROWS, ROUNDS = 200, 5
ALONE_S, TOGETHER_S = 2.0, 0.7
CONNECTIONS = 16
START_S, STOP_S = 60.0, 5.0


@dataclass(frozen=True)
class LoadTest:
    """What a trial endpoint did, asked on the same machine.

    Attributes:
        p50_ms, p99_ms: of requests of one row, one at a time; a row's time is its best of five.
        rps: requests a second at `connections` at once; the better of two rounds.
        requests, failed: all that were sent, and how many were not answered 200.
    """

    p50_ms: float
    p99_ms: float
    rps: float
    connections: int
    requests: int
    failed: int


def tested(shed: Shed, model: str, version: ModelVersion, rules: ServeSection) -> LoadTest:
    """Have a version serve at a trial endpoint, and ask it rows of its own dataset.

    Raises:
        RunFailed: it does not come to serve, with the reason.
    """
    described, rows = following.described(shed, model, version)
    signature = Signature.from_json(version.signature)
    found = records.sampled(rows, signature, ROWS) if rows is not None else []
    found = found or [records.plain_record(signature)]
    described = replace(described, example=found[0])
    rules = rules.model_copy(update={"workers": 1, "address": "127.0.0.1", "tls_cert": None, "tls_key": None})
    token = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(dir=shed.tmp, prefix="load-") as name:
        folder = Path(name)
        (folder / "log").mkdir()
        known = Token("load test", "predict", hashlib.sha256(token.encode()).hexdigest(), time.time(), "trainshed")
        Tokens(folder).write([known])
        with ports.listen_anywhere() as listener:
            crew = Crew(model, folder, rules, listener, subprocess.DEVNULL, revive="")
            try:
                crew.fill(described)
                _wait(crew)
                bodies = [json.dumps(record).encode() for record in found]
                return asyncio.run(_measured(listener.getsockname()[1], bodies, token))
            finally:
                crew.stop(STOP_S)


def _wait(crew: Crew) -> None:
    """Until the worker serves. Raises RunFailed."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for said in crew.listen():
            if not said.refused:
                return
            raise RunFailed(f"it does not come to serve at a trial endpoint: {said.refused}")
        if ended := crew.reap():
            raise RunFailed(f"it does not come to serve at a trial endpoint: {ended[0].partition(';')[0]}")
        time.sleep(0.02)
    raise RunFailed(f"it does not come to serve at a trial endpoint within {START_S:g} s")


async def _measured(port: int, bodies: Sequence[bytes], token: str) -> LoadTest:
    first = await load.asked(port, 1, 0.1, bodies, token)  # whatever is slow but once
    usual = sorted(first.took)[len(first.took) // 2]
    count = max(20, min(len(bodies), int(ALONE_S / (ROUNDS * usual))))
    alone = [await load.asked(port, 1, ALONE_S, bodies[:count], token, most=count) for _ in range(ROUNDS)]
    together = [await load.asked(port, CONNECTIONS, TOGETHER_S, bodies, token) for _ in range(2)]
    short = min(len(each.took) for each in alone)
    p50, p99 = np.percentile(np.min([each.took[:short] for each in alone], axis=0), [50, 99]) * 1000
    every = [first, *alone, *together]
    return LoadTest(
        p50_ms=float(p50),
        p99_ms=float(p99),
        rps=max(len(each.took) - each.failed for each in together) / TOGETHER_S,
        connections=CONNECTIONS,
        requests=sum(len(each.took) for each in every),
        failed=sum(each.failed for each in every),
    )
