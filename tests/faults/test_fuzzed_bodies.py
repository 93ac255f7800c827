"""Bodies that nobody meant: each is refused or answered, and leaves the worker as it was."""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from pathlib import Path

import psutil
import pytest

from runners.actions import endpoints
from storage.shed import open_shed
from tests.raw_http import raw_request, raw_status
from tests.served import RECORD, endpoint, version_of

TOGETHER = 50
MOST_GROWTH = 24 << 20
TENSORS = {
    "inputs": [
        {"name": "distance", "shape": [1, 1], "datatype": "FP64", "data": [1.0]},
        {"name": "carrier", "shape": [1, 1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "day", "shape": [1, 1], "datatype": "INT64", "data": [1]},
    ]
}
SEEDS = [
    ("/predict", json.dumps(RECORD)),
    ("/predict", json.dumps([RECORD, RECORD])),
    ("/predict", json.dumps({name: [value] for name, value in RECORD.items()})),
    ("/v2/models/delays/infer", json.dumps(TENSORS)),
    ("/feedback", json.dumps({"id": "0" * 24, "row": 0, "truth": True})),
]
ODD = [b"null", b"1e400", b"-0", b"\xff", b"[[[[", b'"', b"\\ud800", b"NaN", b"{}", b"[]", b"9" * 40, b"\x00", b"true"]


@pytest.mark.parametrize("bodies", [2_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_fuzzed_bodies_are_the_clients_fault(tmp_path: Path, bodies: int) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    chance = random.Random(7)
    with endpoint(shed) as (started, client):
        port = client.base_url.port or 0
        worker = psutil.Process(endpoints.status(shed, "delays").workers[0]["process"]["pid"])
        statuses: Counter[int] = Counter()
        before = 0
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            answers = connection.makefile("rb")
            for done in range(0, bodies, TOGETHER):
                if done <= bodies // 5:
                    before = worker.memory_info().rss
                asked = [_fuzzed(chance) for _ in range(TOGETHER)]
                connection.sendall(b"".join(raw_request(port, started.token, path, body) for path, body in asked))
                for path, body in asked:
                    status = raw_status(answers)
                    assert status < 500, (path, body)
                    statuses[status] += 1
        grown = worker.memory_info().rss - before
        assert client.post("/predict", json=RECORD).status_code == 200
        assert worker.is_running() and endpoints.status(shed, "delays").workers[0]["restarts"] == 0
        print(f"{bodies:,} bodies: {dict(sorted(statuses.items()))}, memory {grown / 2**20:+.1f} MiB")
        assert grown < MOST_GROWTH


def _fuzzed(chance: random.Random) -> tuple[str, bytes]:
    """A path, and a body that was right once."""
    path, text = chance.choice(SEEDS)
    body = bytearray(text.encode())
    for _ in range(chance.randint(1, 6)):
        place, length = chance.randrange(len(body) + 1), chance.randint(0, 5)
        body[place : place + length] = (
            chance.choice(ODD) if chance.random() < 0.4 else chance.randbytes(chance.randint(0, 3))
        )
    return path, bytes(body)
