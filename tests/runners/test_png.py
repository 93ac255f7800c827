"""PNG files of every form that is read, and what is said of those that are not."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from runners.datasets.png import SIGNATURE, read_png
from tests.pictures import png


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_every_way_of_telling_a_line_is_read(colour: int, channels: int) -> None:
    pixels = np.random.default_rng(colour).integers(0, 256, (5, 7, channels))
    if channels in (2, 4):
        pixels[:, :, -1] = 255
    read = read_png(png(pixels, colour, [0, 1, 2, 3, 4]))
    solid = pixels[:, :, :3] if channels >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    assert np.array_equal(read, solid)


def test_a_palette_is_looked_up() -> None:
    colours = bytes([255, 0, 0, 0, 0, 255])
    palette = struct.pack(">I", len(colours)) + b"PLTE" + colours + b"\0\0\0\0"
    assert read_png(png(np.array([[[0], [1]]]), 3, [0], extra=palette)).tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("data", [b"", b"GIF89a", SIGNATURE, png(np.zeros((2, 2, 1)), 0, [0, 0])[:45]])
def test_what_cannot_be_read_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is|its header"):
        read_png(data)


def test_an_interlaced_one_is_not_read() -> None:
    with pytest.raises(ValueError, match="interlaced"):
        read_png(png(np.zeros((1, 1, 1)), 0, [0], interlaced=1))
