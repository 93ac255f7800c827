"""LitServe around the session of the bare handler: `MODEL=… python -m benchmarks.litserve_server PORT`."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from benchmarks.bare_handler import answered


class Api(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        pass  # the session is loaded with the module, in each process

    def predict(self, record: dict[str, Any]) -> dict[str, float]:
        return answered(record)


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
