"""Single rows through an endpoint with everything on (tokens, checks, batching, metrics, prediction log), on one core.

The floor is a bare Litestar handler around the same session, without any of it. The load comes from another core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks import Row

SECONDS = 3.0
CONNECTIONS = (1, 16, 64)
ROUNDS = 3


def measure() -> list[Row]:
    """Microseconds a request and p99 at 1, 16 and 64 connections; the best of three rounds, ours and bare in turn."""
    from runners.actions import endpoints
    from storage.shed import open_shed
    from tests.served import RECORD, version_of

    body = json.dumps(RECORD)
    with tempfile.TemporaryDirectory() as folder:
        shed = open_shed(Path(folder) / "shed")
        version = version_of(shed)
        started = endpoints.start(shed, "delays")
        port = int(started.url.rpartition(":")[2])
        bare_port = port + 500
        bare = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bare_handler", str(shed.objects.path(version.digest)), str(bare_port)]
        )
        try:
            _wait(bare_port, body)
            server, client = _cores()
            for worker in endpoints.status(shed, "delays").workers:
                os.sched_setaffinity(worker["process"]["pid"], server)
            os.sched_setaffinity(bare.pid, server)
            rows: list[Row] = []
            for connections in CONNECTIONS:
                rounds = [
                    (
                        _load(port, connections, body, started.token, client),
                        _load(bare_port, connections, body, "", client),
                    )
                    for _ in range(ROUNDS)
                ]
                ours, floor = (max((pair[side] for pair in rounds), key=lambda found: found["rate"]) for side in (0, 1))
                said = f"{connections} at once" if connections > 1 else "one at a time"
                rows.append(
                    _row(f"a served row, {said}", 1e6 / ours["rate"], 1e6 / floor["rate"], "µs", "≤ 1.25× floor")
                )
                rows.append(_row(f"the same, p99, {said}", ours["p99"], floor["p99"], "ms", "≤ 5 ms"))
        finally:
            bare.terminate()
            bare.wait()
            endpoints.stop(shed, "delays")
    return rows


def _row(what: str, ours: float, floor: float, unit: str, goal: str) -> Row:
    return {"what": what, "ours": ours, "floor": floor, "peers": {}, "goal": goal, "unit": unit}


def _cores() -> tuple[set[int], set[int]]:
    """One core for the server, another for the load; the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


def _load(port: int, connections: int, body: str, token: str, cores: set[int]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", str(port), str(connections), str(SECONDS), body, token],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    found: dict[str, float] = json.loads(done.stdout)
    assert not found["failed"], found
    return found


def _wait(port: int, body: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.post(f"http://127.0.0.1:{port}/predict", content=body).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the bare handler does not come up")
