"""BentoML around the session of the bare handler: `MODEL=… python -m benchmarks.bentoml_server PORT`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.bare_handler import answered


@bentoml.service(workers=1)
class Delays:
    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, record: dict[str, Any], /) -> dict[str, float]:
        return answered(record)


if __name__ == "__main__":
    serve = ["bentoml", "serve", "benchmarks.bentoml_server:Delays", "--host", "127.0.0.1", "--port", sys.argv[1]]
    with tempfile.TemporaryDirectory() as home:
        own = {"BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(Path.cwd())}
        subprocess.run([sys.executable, "-m", *serve], check=False, env={**os.environ, **own})
