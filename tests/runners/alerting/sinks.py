"""Receivers on this machine that really take what is sent: HTTP as webhooks do, and SMTP."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class HttpSink(HTTPServer):
    """Takes JSON while it is `up`; `taken` is what it took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.up = True
        self.taken: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/hush"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sink = self.server
        assert isinstance(sink, HttpSink)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if sink.up:
            sink.taken.append(body)
        self.send_response(200 if sink.up else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    with HttpSink() as sink:
        thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield sink
        sink.shutdown()
        thread.join()


class SmtpSink:
    """Speaks enough SMTP to take mail while it is `up`; `taken` is what it took."""

    def __init__(self) -> None:
        self.up = True
        self.taken: list[EmailMessage] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=shed@example.org&to=ana@example.org&mode=insecure"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 sink\r\n" if self.up else b"421 not now\r\n")
        while self.up and (line := await reader.readline()):
            word = line.split(b" ")[0].strip().upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                self.taken.append(_message(await reader.readuntil(b"\r\n.\r\n")))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 sink\r\n")
            if word == b"QUIT":
                break
        await writer.drain()
        writer.close()


def _message(data: bytes) -> EmailMessage:
    found = email.message_from_bytes(data[:-5], policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@contextmanager
def smtp_sink() -> Iterator[SmtpSink]:
    sink, loop, ready = SmtpSink(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(sink.answer, "127.0.0.1", 0)
        sink.port = server.sockets[0].getsockname()[1]
        ready.set()

    def work() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(5)
    yield sink
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
