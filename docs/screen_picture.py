"""Draw docs/run.svg and docs/serving.svg: the terminal UI on the sample project, as a terminal would show it.

`make picture` runs the sample project first. Here its model is served and asked for a minute, for real, and the app
itself draws what it shows then.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from app.tui import Trainshed
from runners.actions import dataset_rows, endpoints
from runners.actions.endpoints import EndpointStatus
from storage.project import load_project
from storage.read import models as read_models
from storage.shed import Shed, current_user, default_root, open_shed

DOCS = Path(__file__).parent
PROJECT = DOCS.parent / "sample_project"
SIZE = (148, 42)
ASKED_S = 75.0
TOKEN = "picture"


def main() -> None:
    shed = open_shed(default_root())
    name = load_project(PROJECT).project.name
    there = [each for each in endpoints.every(shed) if each.name == name and each.state == "serving"]
    if not there:
        endpoints.start(shed, name, project_dir=PROJECT)
    secret = endpoints.create_token(shed, name, TOKEN, "predict")
    ended = threading.Event()
    asking = threading.Thread(target=_ask, args=(endpoints.status(shed, name), secret, _records(shed, name), ended))
    asking.start()
    try:
        asyncio.run(_draw(shed, name))
    finally:
        ended.set()
        asking.join()
        endpoints.revoke_token(shed, name, TOKEN)
        if not there:
            endpoints.stop(shed, name)


async def _draw(shed: Shed, name: str) -> None:
    app = Trainshed(
        lambda: shed, project=name, project_dir=PROJECT, user=current_user(), host=socket.gethostname().split(".")[0]
    )
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(ASKED_S)  # the curves are of what is asked meanwhile
        for keys, picture in ((("3", "enter"), "run.svg"), (("6",), "serving.svg")):
            for key in keys:
                await pilot.press(key)
                await asyncio.sleep(3)
            svg = app.export_screenshot(title=f"trainshed · {name}")
            (DOCS / picture).write_text(svg, encoding="utf-8")


def _ask(endpoint: EndpointStatus, secret: str, records: list[dict[str, object]], ended: threading.Event) -> None:
    """Requests in waves; now and then one that is wrong, as callers are."""
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    dice = random.Random(7)
    while not ended.is_set():
        record = dice.choice(records) if dice.random() > 0.02 else {"carrier": "UA"}
        request = urllib.request.Request(f"{endpoint.url}/predict", json.dumps(record).encode(), headers)
        with suppress(urllib.error.HTTPError):  # it was meant to be refused
            urllib.request.urlopen(request, timeout=10).close()
        ended.wait(dice.expovariate(30 * (1.3 + math.sin(time.time() / 8))))


def _records(shed: Shed, name: str) -> list[dict[str, object]]:
    """Rows of the project's own dataset, with the columns that its model takes."""
    spec = load_project(PROJECT)
    wanted = [str(given["name"]) for given in read_models.version(shed, name, "production").signature["inputs"]]
    columns = ", ".join(f'"{column}"' for column in wanted)
    sql = f"select {columns} from data using sample 2000"
    found = dataset_rows.query(shed, spec.dataset.name, sql, project_query=spec.dataset.query)
    return [dict(zip(wanted, row, strict=True)) for row in found.rows]


if __name__ == "__main__":
    main()
