"""Little drawings of circles, squares and crosses: the images of a new project, until it has its own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

SIDE = 20
PER_CLASS = 60
SHAPES: dict[str, Callable[[float, float, float], bool]] = {
    "circle": lambda x, y, r: abs(math.hypot(x, y) - r) < 1.1,
    "cross": lambda x, y, r: min(abs(x - y), abs(x + y)) < 1.2 and max(abs(x), abs(y)) <= r,
    "square": lambda x, y, r: abs(max(abs(x), abs(y)) - r) < 0.9,
}


def drawings(seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield `circle/000.pgm` and its bytes, and so on: grey images of 20 × 20, the same ones each time."""
    chance = random.Random(seed)
    for name, inside in SHAPES.items():
        for number in range(PER_CLASS):
            yield f"{name}/{number:03d}.pgm", _drawn(inside, chance)


def _drawn(inside: Callable[[float, float, float], bool], chance: random.Random) -> bytes:
    radius = chance.uniform(4, 7)
    cx, cy = (chance.uniform(radius + 1, SIDE - radius - 2) for _ in "xy")
    ink = chance.randint(140, 255)
    pixels = bytearray()
    for y in range(SIDE):
        for x in range(SIDE):
            value = ink if inside(x - cx, y - cy, radius) else 0
            pixels.append(min(255, max(0, value + round(chance.gauss(30, 18)))))
    return b"P5\n%d %d\n255\n" % (SIDE, SIDE) + bytes(pixels)
