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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks import Row
from benchmarks.peers import ROOT, interpreter

SECONDS = 2.0
CONNECTIONS = (1, 16, 64)
ROUNDS = 3
PEERS = {"litserve": "/predict", "bentoml": "/predict", "mlflow": "/invocations"}  # and where each answers
BARE, GRANIAN = "bare Litestar on uvicorn", "bare Litestar on granian"


@dataclass(frozen=True)
class Server:
    """Where to ask, and with what."""

    port: int
    path: str
    body: str
    token: str = ""


def measure() -> list[Row]:
    """Microseconds a request and p99 at 1, 16 and 64 connections; the best of three rounds, one server at a time."""
    from runners.actions import endpoints
    from storage.shed import open_shed
    from tests.served import RECORD, version_of

    found: dict[str, list[dict[str, float]]] = {}
    body = json.dumps(RECORD)
    with tempfile.TemporaryDirectory() as folder:
        shed = open_shed(Path(folder) / "shed")
        model = str(shed.objects.path(version_of(shed).digest))
        started = endpoints.start(shed, "delays")
        port = int(started.url.rpartition(":")[2])
        ours = Server(port, "/predict", body, started.token)
        bare, granian = Server(port + 500, "/predict", body), Server(port + 501, "/predict", body)
        try:
            for worker in endpoints.status(shed, "delays").workers:
                _pin(worker["process"]["pid"])
            with (
                _running(sys.executable, ["bare_handler", str(bare.port)], bare, model),
                _running(interpreter("granian"), ["bare_handler", str(granian.port), "granian"], granian, model),
            ):
                names = {"ours": ours, BARE: bare} | ({GRANIAN: granian} if interpreter("granian") else {})
                found |= _rounds(names)
        finally:
            endpoints.stop(shed, "delays")
        for place, (peer, path) in enumerate(PEERS.items()):
            wrapped = json.dumps({"dataframe_records": [RECORD]}) if peer == "mlflow" else body
            server = Server(port + 510 + place, path, wrapped)
            if interpreter(peer) is None:
                continue
            try:
                with _running(interpreter(peer), [f"{peer}_server", str(server.port)], server, model):
                    found |= _rounds({peer: server})
            except TimeoutError:
                print(f"{peer} does not come up here, so it is not measured", file=sys.stderr)
    return [row for place, connections in enumerate(CONNECTIONS) for row in _rows(connections, found, place)]


def _rows(connections: int, found: dict[str, list[dict[str, float]]], place: int) -> list[Row]:
    said = f"{connections} at once" if connections > 1 else "one at a time"
    rows: list[Row] = []
    for what, key, unit, goal in (
        (f"a served row, {said}", "us", "µs", "≤ 1.25× floor"),
        (f"the same, p50, {said}", "p50", "ms", ""),
        (f"the same, p99, {said}", "p99", "ms", "≤ 5 ms"),
    ):
        peers = {name: each[place][key] for name, each in found.items() if name not in ("ours", BARE)}
        ours, floor = found["ours"][place][key], found[BARE][place][key]
        rows.append({"what": what, "ours": ours, "floor": floor, "peers": peers, "goal": goal, "unit": unit})
    return rows


def _rounds(servers: dict[str, Server]) -> dict[str, list[dict[str, float]]]:
    """Of each server the best round at each number of connections; the servers take turns."""
    for server in servers.values():
        _load(server, 1, 0.5)
    best: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for connections in CONNECTIONS:
        rounds = [
            {name: _load(server, connections, SECONDS) for name, server in servers.items()} for _ in range(ROUNDS)
        ]
        for name in servers:
            best[name].append(max((each[name] for each in rounds), key=lambda found: found["rate"]))
    return best


def _cores() -> tuple[set[int], set[int]]:
    """One core for the server, another for the load; the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


def _pin(pid: int) -> None:
    """Every thread of a process on the server's core."""
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, _cores()[0])


def _load(server: Server, connections: int, seconds: float) -> dict[str, float]:
    words = [str(server.port), str(connections), str(seconds), server.path, server.body, server.token]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *words],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, _cores()[1]),
    )
    found: dict[str, float] = json.loads(done.stdout)
    assert not found["failed"], (words, found)
    return {**found, "us": 1e6 / found["rate"]}


@contextmanager
def _running(python: str | None, words: list[str], server: Server, model: str) -> Iterator[None]:
    """A server in a process of its own, on the servers' core; none where no interpreter has it."""
    if python is None:
        yield
        return
    process = subprocess.Popen(
        [python, "-m", f"benchmarks.{words[0]}", *words[1:]],
        cwd=ROOT,
        env={**os.environ, "MODEL": model},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, _cores()[0]),
    )
    try:
        _wait(server)
        yield
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()


def _wait(server: Server) -> None:
    deadline = time.monotonic() + 60
    headers = {"Content-Type": "application/json"}
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{server.port}{server.path}"
            httpx.post(url, content=server.body, headers=headers).raise_for_status()
            return
        time.sleep(0.1)
    raise TimeoutError("a server does not come up")
