"""A file of a dataset as a small picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runners.actions.datasets import resolve
from runners.datasets.png import SIGNATURE, read_png
from runners.opening import kept_files, manifest_of
from storage.errors import UsageError
from storage.shed import Shed

MOST_BYTES = 64_000_000


@dataclass(frozen=True)
class Picture:
    """`pixels`: rows of (red, green, blue), few enough for a terminal; `width` and `height` are those of the file."""

    pixels: list[list[tuple[int, int, int]]]
    width: int
    height: int


def content(shed: Shed, reference: str, path: str) -> Path:
    """Where the shed keeps the file at `path` of a dataset version.

    Raises:
        UsageError: when the version has no such file.
    """
    _, version = resolve(shed, reference)
    found = next((file for relative, file in kept_files(shed, manifest_of(shed, version)) if relative == path), None)
    if found is None:
        raise UsageError("there is no such file in this version", place=path)
    return found


def picture(content: Path, path: str, columns: int, rows: int) -> Picture:
    """An image in at most `columns` × `rows` square pixels; `path` is what it is called.

    PNG is read here; other formats where pillow is installed beside trainshed.

    Raises:
        UsageError: when it is no image that can be read.
    """
    if content.stat().st_size > MOST_BYTES:
        raise UsageError("it is too large for a preview", place=path)
    try:
        pixels = _read(content.read_bytes())
    except (ValueError, OSError) as err:
        raise UsageError(f"no preview: {err}", place=path) from None
    height, width = pixels.shape[:2]
    scale = max(width / columns, height / rows, 1.0)
    return Picture(_smaller(pixels, max(1, round(width / scale)), max(1, round(height / scale))), width, height)


def _read(data: bytes) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        if not data.startswith(SIGNATURE):
            raise ValueError("it is no PNG; for other formats install pillow beside trainshed") from None
        return read_png(data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as err:
        raise ValueError(str(err)) from None


def _smaller(pixels: NDArray[np.uint8], columns: int, rows: int) -> list[list[tuple[int, int, int]]]:
    """The mean of the pixels that fall on each."""
    height, width = pixels.shape[:2]
    across, down = (np.arange(n) * size // n for n, size in ((columns, width), (rows, height)))
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.int64), down, axis=0), across, axis=1)
    counts = np.diff([*down, height])[:, None, None] * np.diff([*across, width])[None, :, None]
    return [[(int(r), int(g), int(b)) for r, g, b in row] for row in sums // counts]
