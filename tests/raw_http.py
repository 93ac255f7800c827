"""HTTP as bytes, for clients that send many requests at once, or not as one should."""

from __future__ import annotations

from typing import IO


def raw_request(port: int, token: str, path: str, body: bytes = b"{}") -> bytes:
    """A request as bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def raw_status(answers: IO[bytes]) -> int:
    """Read one answer to its end."""
    status, length = int(answers.readline().split()[1]), 0
    while (line := answers.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    answers.read(length)
    return status
