"""An endpoint as its files tell of it, without a process that answers: this one stands in as its supervisor."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from runners.serving.figures import Figures
from runners.serving.standing import Standing
from runners.supervision.processes import identify
from storage.serve_section import ServeSection
from storage.shed import Shed
from storage.tables import ModelVersion
from storage.write import endpoints as write_endpoints
from tests.served import version_of


def endpoint_of(shed: Shed, name: str = "delays", **more: Any) -> tuple[Path, ModelVersion]:
    """An endpoint of the model `delays` that serves its first version; its directory, and that version."""
    version = version_of(shed)
    write_endpoints.want(shed, name, "delays", "production", 8123, ServeSection().model_dump(mode="json"))
    folder = shed.make_dir(shed.endpoint_dir(name))
    shed.make_dir(folder / "log")
    serving = {"model": "delays", "number": version.number, "digest": version.digest}
    plain: dict[str, Any] = {
        "state": "serving",
        "supervisor": identify(os.getpid()).to_json(),
        "serving": serving,
        "serving_since": time.time() - 240,
    }
    Standing(name, 8123, **{**plain, **more}).write(folder)
    Figures(folder / "worker-0.figures")
    return folder, version


def answered(folder: Path, version: ModelVersion, *records: dict[str, Any], at: float | None = None) -> None:
    """Log an answered request for each of these records: the first is the surest."""
    now = time.time() if at is None else at
    with (folder / "log" / f"p-1-{os.getpid()}.open.jsonl").open("a") as file:
        for number, record in enumerate(records):
            line = {
                "id": f"{number + 1:024x}",
                "at": now - number,
                "ms": 1.5,
                "version": version.number,
                "digest": version.digest,
                "route": "predict",
                "out": [{"probability": round(0.9 - number / 10, 2)}],
                "rows": [record],
            }
            file.write(json.dumps(line) + "\n")
