"""Clients that send slowly, or never end, hold nobody up: they are disconnected, and the others do not notice."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from storage.shed import open_shed
from tests.served import RECORD, endpoint, version_of
from tests.waiting import until

BEGINNINGS = (
    b"POST /predict HTTP/1.1\r\nHost: 127",
    b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
    b"",
)
ASKED = 400


@pytest.mark.parametrize("slow", [60, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_slow_connections_are_closed_and_healthy_clients_do_not_notice(tmp_path: Path, slow: int) -> None:
    shed = open_shed(tmp_path / "shed")
    version_of(shed)
    patience = 1.0 if slow < 1000 else 10.0
    with endpoint(shed, settings={"timeout_s": patience}) as (_, client):
        alone = _p99(client)
        address = ("127.0.0.1", client.base_url.port or 0)
        connections = [socket.create_connection(address) for _ in range(slow)]
        ended = threading.Event()
        dripping = threading.Thread(target=_drip, args=(connections, ended))
        dripping.start()
        try:
            beside = _p99(client)
            until(lambda: _all_closed(connections), timeout=patience * 5)
        finally:
            ended.set()
            dripping.join()
            for connection in connections:
                connection.close()
        assert client.post("/predict", json=RECORD).status_code == 200
    if slow >= 1000:
        print(f"p99 alone {alone * 1000:.2f} ms, beside {slow} slow connections {beside * 1000:.2f} ms")
        assert beside <= 2 * alone


def _drip(connections: list[socket.socket], ended: threading.Event) -> None:
    """A beginning each, then a byte each, again and again."""
    for place, connection in enumerate(connections):
        with suppress(OSError):
            connection.sendall(BEGINNINGS[place % len(BEGINNINGS)])
    while not ended.wait(0.5):
        for place, connection in enumerate(connections):
            if BEGINNINGS[place % len(BEGINNINGS)]:
                with suppress(OSError):
                    connection.send(b"1")


def _all_closed(connections: list[socket.socket]) -> bool:
    for connection in connections:
        connection.setblocking(False)
        try:
            if connection.recv(1024):
                return False
        except BlockingIOError:
            return False
        except OSError:
            continue
    return True


def _p99(client: httpx.Client) -> float:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        assert client.post("/predict", json=RECORD).status_code == 200
        took.append(time.perf_counter() - began)
    return float(np.percentile(took, 99))
