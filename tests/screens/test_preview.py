"""Images of a dataset: half blocks in every terminal, the image itself where the terminal draws it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runners.actions import images
from storage.errors import UsageError
from storage.shed import Shed
from tests.pictures import png
from tests.scenes import dataset_version_of
from tests.screens.driving import driving
from tests.terminal import TRAINSHED, Terminal, terminal

WHICH_TERMINAL, CELL_SIZE, SIXEL = b"\x1b[c", b"\x1b[16t", b"\x1bP"
LEFT, ENTERED = b"\x1b[?1049l", b"\x1b[?1049h"


@pytest.fixture
def possums(shed: Shed) -> Shed:
    red = png(np.full((40, 40, 3), [255, 0, 0]), 2, [0] * 40)
    dataset_version_of(shed, "possums", {"cat/a.txt": b"x", "cat/red.png": red})
    return shed


def asked(opened: Terminal, since: int, question: bytes) -> bool:
    return question in opened.sent[since:]


async def test_an_image_is_shown_in_half_blocks(possums: Shed) -> None:
    async with driving(possums) as driven:
        await driven.press("2", "enter", "G")
        await driven.pilot.press("enter")
        await driven.sees("red.png", "40 × 40 pixels", "▀▀▀▀", "v in full")


@pytest.mark.parametrize("draws", [True, False])
def test_the_image_itself_is_drawn_where_the_terminal_can(possums: Shed, tmp_path: Path, draws: bool) -> None:
    with terminal([*TRAINSHED, "--shed", str(possums.root)], cwd=tmp_path) as opened:
        opened.until("1 Home", "cpu")
        opened.type("2")
        opened.until("possums")
        opened.type("\r")
        opened.until("▸cat", "a.txt")
        opened.type("G")
        opened.until("▸  red.png")
        opened.type("\r")
        opened.until("red.png", "40 × 40 pixels")
        before = len(opened.sent)
        opened.type("v")
        opened.until_true(lambda: asked(opened, before, WHICH_TERMINAL))
        assert LEFT in opened.sent[before:]
        opened.type("\x1b[?62;4c" if draws else "\x1b[?62;22c")
        if draws:
            opened.until_true(lambda: asked(opened, before, CELL_SIZE))
            opened.type("\x1b[6;20;10t")
            opened.until_true(lambda: SIXEL in opened.sent[before:] and b"enter: back" in opened.sent[before:])
            opened.type("\r")
            opened.until_true(lambda: ENTERED in opened.sent[before:])
        else:
            opened.until("This terminal draws no images")
            assert SIXEL not in opened.sent
        opened.until("red.png", "40 × 40 pixels", "1 Home")
        opened.type("\x1b")
        opened.until_true(lambda: "40 × 40 pixels" not in opened.text)
        opened.type("q")
        assert opened.ended() == 0


def test_what_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match="no preview"):
        images.picture(tmp_path / "a.png", "cat/a.png", 10, 10)
