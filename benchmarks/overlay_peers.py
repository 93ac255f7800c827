"""The overlay as trackers read it, each in a process of its own: `python -m benchmarks.overlay_peers NAME FOLDER`."""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUNS, POINTS = 50, 20_000
ROUNDS = 2  # they take seconds
Read = Callable[[], int]


def values(seed: int) -> list[float]:
    """The points of one run."""
    chance = random.Random(seed)
    return [chance.random() for _ in range(POINTS)]


def _tensorboard(place: Path) -> Read:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    folders = [place / f"tensorboard{run}" for run in range(RUNS)]
    for run, folder in enumerate(folders):
        writer = SummaryWriter(str(folder))
        for step, value in enumerate(values(run)):
            writer.add_scalar("loss", value, step)
        writer.close()

    def read() -> int:
        count = 0
        for folder in folders:
            events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
            events.Reload()
            count += len([(event.step, event.value) for event in events.Scalars("loss")])
        return count

    return read


def _trackio(place: Path) -> Read:
    os.environ["TRACKIO_DIR"] = str(place)
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    for run in range(RUNS):
        SQLiteStorage.bulk_log("bench", f"run{run}", [{"loss": value} for value in values(run)], run_id=f"id{run}")

    def read() -> int:
        runs = trackio.Api().runs("bench")
        return sum(len(SQLiteStorage.get_logs("bench", run.name, run_id=run.id)) for run in runs)

    return read


PEERS = {"tensorboard": _tensorboard, "trackio": _trackio}


def _median_ms(read: Read) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        assert read() == RUNS * POINTS
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    print(_median_ms(PEERS[sys.argv[1]](Path(sys.argv[2]))))
