"""How the files of a month arrive in the project, and the settings of a project whose months last half a minute."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path

from sample_project.story import months

PIECES = 8
PIECE_S = 0.15  # between two of them: a slow line
FOOTER = 4_096  # bytes before the end that a bad copy has lost
SHIFT = """
[[trigger]]                          # a shift of what the endpoint is asked is told
on = "drift"
do = "notify"
every_minutes = 0.5
window_hours = 0.0015
"""


def hurried(text: str, sets: list[str]) -> str:
    """The project's settings with triggers for months that last half a minute, and other params where they are set."""
    text = text.replace("validation = 0.1\n", "validation = 0.05\n")  # less held out: newer weeks to learn from
    text = text.replace("beat_production_by = 0.0 ", "beat_production_by = -0.002 ")  # of two alike, the newer one
    text = text.replace('on = "new-data" ', 'quiet_seconds = 1\non = "new-data" ')
    for each in sets:
        name, _, value = each.partition("=")
        text = re.sub(rf"(?m)^{name} = [^ \n]+", f"{name} = {value}", text)
    return text + SHIFT


def arrive(project: Path, month: int) -> float:
    """Copy a month's files into the project: the weather at once, the flights slowly. Returns when all were closed."""
    weather, flights = months.files(month)
    shutil.copy(weather, project / "data")
    data = flights.read_bytes()
    with (project / "data" / flights.name).open("wb") as file:
        for place in range(PIECES):
            file.write(data[len(data) * place // PIECES : len(data) * (place + 1) // PIECES])
            file.flush()
            os.fsync(file.fileno())
            threading.Event().wait(PIECE_S)
    return time.time()


def damaged(project: Path, month: int) -> None:
    """A copy of the flights that is as long as it should be, and ends as it should, and is broken in between."""
    flights = months.files(month)[1]
    data = bytearray(flights.read_bytes())
    data[-FOOTER:-8] = bytes(FOOTER - 8)
    (project / "data" / flights.name).write_bytes(data)
