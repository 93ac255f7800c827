"""PNG files as an encoder writes them."""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(pixels: np.ndarray, colour: int, ways: list[int], *, extra: bytes = b"", interlaced: int = 0) -> bytes:
    """`ways` names the filter of each line, `colour` is the colour type, `extra` what stands before the pixels."""
    height, width, channels = pixels.shape
    rows = np.zeros((height + 1, (width + 1) * channels), np.int64)
    rows[1:, channels:] = pixels.reshape(height, -1)
    raw = b""
    for y, way in zip(range(1, height + 1), ways, strict=True):
        here, left = rows[y, channels:], rows[y, :-channels]
        up, corner = rows[y - 1, channels:], rows[y - 1, :-channels]
        guess = left + up - corner
        distances = np.stack([abs(guess - left), abs(guess - up), abs(guess - corner)])
        paeth = np.choose(distances.argmin(axis=0), [left, up, corner])
        near = [0 * here, left, up, (left + up) // 2, paeth][way]
        raw += bytes([way]) + ((here - near) % 256).astype(np.uint8).tobytes()

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlaced)
    return SIGNATURE + part(b"IHDR", head) + extra + part(b"IDAT", zlib.compress(raw)) + part(b"IEND", b"")
