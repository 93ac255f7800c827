"""PNG files read with the standard library alone, as small as a preview needs them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples a pixel
MOST_PIXELS = 40_000_000


def read_png(data: bytes) -> NDArray[np.uint8]:
    """The pixels as height × width × 3, red, green, blue; what shines through lies on black.

    Source: W3C, Portable Network Graphics, third edition.

    Raises:
        ValueError: for what is no PNG, a damaged one, or one of a form that is not read here: interlaced, or of other
            than 8 bits a sample.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("it is no PNG")
    parts: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        parts[kind] = parts.get(kind, b"") + data[at + 8 : at + 8 + size]
        at += 12 + size
    if len(parts.get(b"IHDR", b"")) < 13:
        raise ValueError("its header is damaged")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"][:13])
    if depth != 8 or interlaced or colour not in CHANNELS:
        raise ValueError("it is interlaced, or has other than 8 bits a sample")
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"it has {width:,} × {height:,} pixels")
    channels = CHANNELS[colour]
    wanted = height * (width * channels + 1)
    try:
        raw = zlib.decompressobj().decompress(parts.get(b"IDAT", b""), wanted)
    except zlib.error as err:
        raise ValueError(f"it is damaged: {err}") from None
    if len(raw) < wanted:
        raise ValueError("it is cut off")
    lines = np.frombuffer(raw, np.uint8).reshape(height, width * channels + 1)
    pixels = _unfiltered(lines, channels).reshape(height, width, channels)
    return _as_rgb(pixels, colour, parts)


def _unfiltered(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Each line is told as the difference to its neighbours, in a way that its first byte names."""
    done = np.zeros((len(lines) + 1, lines.shape[1] - 1 + channels), np.uint8)  # a row above and a pixel before it all
    for row, line in enumerate(lines, 1):
        way, told, above = line[0], line[1:], done[row - 1]
        if way == 0:
            done[row, channels:] = told
        elif way == 1:
            steps = told.reshape(-1, channels)
            done[row, channels:] = np.cumsum(steps, axis=0, dtype=np.uint8).reshape(-1)
        elif way == 2:
            done[row, channels:] = told + above[channels:]
        elif way in (3, 4):
            _one_by_one(done[row], told, above, channels, paeth=way == 4)
        else:
            raise ValueError("it is damaged: a line of no known form")
    return done[1:, channels:]


def _one_by_one(
    into: NDArray[np.uint8], told: NDArray[np.uint8], above: NDArray[np.uint8], channels: int, *, paeth: bool
) -> None:
    row, up, raw = into.tolist(), above.tolist(), told.tolist()
    for at, value in enumerate(raw, channels):
        left, over, corner = row[at - channels], up[at], up[at - channels]
        if paeth:
            guess = left + over - corner
            near = min((abs(guess - each), order, each) for order, each in enumerate((left, over, corner)))[2]
        else:
            near = (left + over) // 2
        row[at] = (value + near) & 0xFF
    into[:] = row


def _as_rgb(pixels: NDArray[np.uint8], colour: int, parts: dict[bytes, bytes]) -> NDArray[np.uint8]:
    if colour == 3:
        palette = np.zeros((256, 3), np.uint8)
        known = np.frombuffer(parts.get(b"PLTE", b"")[: 768 // 3 * 3], np.uint8)
        palette[: len(known) // 3] = known[: len(known) // 3 * 3].reshape(-1, 3)
        return palette[pixels[:, :, 0]]
    solid = pixels[:, :, :3] if colour in (2, 6) else np.repeat(pixels[:, :, :1], 3, axis=2)
    if colour in (4, 6):
        return (solid * (pixels[:, :, -1:] / 255)).astype(np.uint8)
    return solid
