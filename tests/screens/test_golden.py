"""What a person sees of every view and page, to the letter, in three terminals: `golden/WIDTHxHEIGHT/NAME.txt`.

`GOLDEN=write pytest tests/screens/test_golden.py` writes the files anew; read their diff before you commit it.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import screens.home
import screens.shell
from runners.serving.figures import Figures
from tests.screens.driving import Driven, driving
from tests.screens.given import Clock, fix_world
from tests.screens.morning import Morning, morning

SIZES = ((80, 24), (120, 40), (200, 50))
GOLDEN = Path(__file__).parent / "golden"
WRITES = os.environ.get("GOLDEN") == "write"
STILL_S = 0.5  # so long nothing moves before a file is written
PATIENCE_S = 30.0
FIXED = "GOLDEN=write pytest tests/screens/test_golden.py"


class Stop(NamedTuple):
    """After these keys, which follow those of the stop before, `sees` stands on the screen, and a picture is taken."""

    name: str
    keys: str
    sees: str


STOPS = (
    Stop("home", "", "needs you"),
    Stop("data", "2", "newest"),
    Stop("dataset-rows", "enter", "carrier"),
    Stop("dataset-profile", "right right p", "most frequent"),
    Stop("dataset-row", "enter", "row 1"),
    Stop("dataset-columns", "escape c", "distinct"),
    Stop("dataset-diff", "d", "rows"),
    Stop("dataset-checks", "h", "carrier in"),
    Stop("dataset-files", "f", "september.csv"),
    Stop("dataset-onward", "o", "run 10"),
    Stop("dataset-card", "D", "card of"),
    Stop("pictures", "escape escape G enter", "possum"),
    Stop("picture", "g j j j j j enter", "8 × 8"),
    Stop("runs", "escape escape 3", "by id"),
    Stop("run-waiting", "enter", "No curves yet"),
    Stop("run-charts", "escape j j enter", "val/auroc"),
    Stop("run-values", "v", "train/loss"),
    Stop("run-params", "p", "width"),
    Stop("run-machine", "m", "processor"),
    Stop("run-artifacts", "a", "artifacts"),
    Stop("run-failed", "escape G k enter", "It failed"),
    Stop("run-log", "l", "Traceback"),
    Stop("run-code", "d", "4f2a9c1e"),
    Stop("run-origin", "o", "run 2"),
    Stop("run-notes", "n", "tags"),
    Stop("launch", "escape n", "epochs"),
    Stop("sweeps", "escape s", "lr-sweep"),
    Stop("sweep", "enter", "of 8 trials"),
    Stop("sweep-scatter", "tab", "param against"),
    Stop("sweep-parallel", "tab", "all at once"),
    Stop("compare", "escape escape g space space space 4", "params that differ"),
    Stop("compare-scatter", "tab", "by"),
    Stop("models", "5", "v2"),
    Stop("model-evidence", "enter", "by slice"),
    Stop("model-card", "c", "card of"),
    Stop("lineage", "escape t", "lineage of"),
    Stop("flips", "escape f", "test rows flip"),
    Stop("approve", "a", "approve delays v2"),
    Stop("serving", "escape escape 6", "canary"),
    Stop("prediction", "tab enter", "said"),
    Stop("monitor", "escape m", "requests"),
    Stop("endpoint-log", "escape o", "log"),
    Stop("requests", "escape O", "turned away"),
    Stop("tokens", "escape T", "token"),
    Stop("labelling", "escape l", "late?"),
    Stop("triggers", "escape 7", "PSI 0.31"),
    Stop("trigger-firing", "tab enter", "evidence"),
    Stop("machine", "escape 8", "gpu0"),
    Stop("help", "question_mark", "in Machine"),
    Stop("palette", "escape ctrl+p", "Machine"),
    Stop("go", "escape colon", "go to"),
    Stop("tour", "escape 1 t", "trainshed"),
)


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[Morning, Clock]]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)  # short, and as long everywhere: some screens tell it
        for place in ("CONFIG", "STATE", "CACHE"):
            patch.setenv(f"XDG_{place}_HOME", str(folder / place.lower()))
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr(screens.shell, "PULSE_S", 3600.0)  # see `_heartbeats`
        patch.setattr(screens.home, "READING_S", 3600.0)
        clock = fix_world(patch)
        with morning(folder, clock) as found:
            yield found, clock
    time.tzset()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_view_and_page_shows_what_it_did(scene: tuple[Morning, Clock], size: tuple[int, int]) -> None:
    differences = asyncio.run(_walked(*scene, size))
    assert not differences, "\n".join(["", *differences, f"If this is what should be seen: {FIXED}"])


async def _walked(found: Morning, clock: Clock, size: tuple[int, int]) -> list[str]:
    """What differs from the files, after all stops."""
    differences: list[str] = []
    folder = GOLDEN / f"{size[0]}x{size[1]}"
    async with driving(found.shed, size=size, project="delays", folder=found.project) as driven:
        await _heartbeats(driven, found, clock)
        for stop in STOPS:
            for key in stop.keys.split():
                await driven.press(key)
            await driven.sees(stop.sees)
            differences += await _difference(driven, folder / f"{stop.name}.txt")
    return differences


async def _heartbeats(driven: Driven, found: Morning, clock: Clock) -> None:
    """Two minutes of requests, as the app's pulse would have felt them."""
    pulse, now = driven.app.pulse, clock.now
    assert pulse is not None
    counted = found.shed.endpoint_dir("delays") / "worker-0.figures"
    counted.unlink(missing_ok=True)  # those of another size
    worker = Figures(counted)
    for second in range(120, -1, -2):
        clock.now = now - second
        pulse.look()
        for _ in range(5 + second % 7):
            worker.add("answered")
            worker.took(1.5 if second % 5 else 4.0)
        worker.add("refused", second % 20 == 0)
    driven.app._news()


async def _difference(driven: Driven, golden: Path) -> list[str]:
    """How the screen differs from the file once it has had time to be the same; nothing where it is written anew."""
    if WRITES:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(await _still(driven))
        return []
    wanted = golden.read_text() if golden.exists() else ""
    try:
        await driven.until(lambda: _seen(driven) == wanted, PATIENCE_S if wanted else 0.0)
    except AssertionError:
        name = str(golden.relative_to(GOLDEN))
        lines = difflib.unified_diff(wanted.splitlines(), _seen(driven).splitlines(), name, "the screen", lineterm="")
        return [*lines, ""]
    return []


def _seen(driven: Driven) -> str:
    """The screen without what no two machines share: the folder's name, and what its files weigh."""
    text = "".join(line.rstrip() + "\n" for line in driven.lines)
    text = re.sub(r"/tmp/tmp\w{8}", "/tmp/tmp________", text)
    text = re.sub(r"[▁-█]{10} *[\d.]+ k?B", lambda found: "~" * len(found[0]), text)
    weight = r"((?:shed +database|dataset +\w+|datasets) )( *[\d.]+ k?B)"
    return re.sub(weight, lambda found: found[1] + "~" * len(found[2]), text)


async def _still(driven: Driven) -> str:
    """The screen, once nothing moves on it."""
    seen, since = _seen(driven), time.monotonic()
    while time.monotonic() - since < STILL_S:
        await driven.pilot.pause(0.05)
        if _seen(driven) != seen:
            seen, since = _seen(driven), time.monotonic()
    return seen
