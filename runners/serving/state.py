"""What a worker knows: the version that serves, its queue, its counters and its log."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from runners.serving.accesslog import AccessLog
from runners.serving.batching import Batcher
from runners.serving.figures import Figures
from runners.serving.form import Feeds, Row
from runners.serving.predictionlog import PredictionLog
from runners.serving.refusals import Refused
from runners.serving.session import Loaded
from runners.serving.tokens import Tokens
from storage.serve_section import ServeSection

if TYPE_CHECKING:
    from runners.serving.routing import Beside

LONG_BODY = 256 << 10  # one that is decoded in a thread, so that nobody else waits for it


@dataclass(frozen=True)
class Current:
    """A version that serves now, and what the body of every answer says of it. `route` is why it is asked."""

    loaded: Loaded
    batcher: Batcher
    told: bytes
    route: str = "production"  # or canary, ab

    @property
    def number(self) -> int:
        return self.loaded.version.number


class Serving:
    """One worker of one endpoint. Everything here belongs to its event loop."""

    def __init__(self, name: str, folder: Path, rules: ServeSection, port: int, worker: int) -> None:
        self.name = name
        self.folder = folder
        self.rules = rules
        self.port = port
        self.figures = Figures(folder / f"worker-{worker}.figures")
        self.tokens = Tokens(folder)
        self.log = PredictionLog(folder / "log", rules.log, self.figures, key=_hash_key(folder, rules))
        self.access = AccessLog(folder, worker, int(rules.log.access_mb * 2**20) // rules.workers, self.figures)
        self.thread = ThreadPoolExecutor(1, "model")
        self.pending: dict[asyncio.Future[Any], float] = {}
        self.max_body = int(rules.max_body_mb * 2**20)
        self.draining = False
        self.admin: asyncio.Server | None = None
        self.worker = worker
        self.beside: Beside | None = None
        self._current: Current | None = None
        self._prefix = uuid.uuid4().hex[:16]
        self._count = 0

    @property
    def current(self) -> Current:
        """Raises Refused (503) before the first version is loaded."""
        if self._current is None:
            raise Refused(503, "no model is loaded yet", retry_s=1)
        return self._current

    @property
    def ready(self) -> bool:
        return self._current is not None and not self.draining

    def use(self, loaded: Loaded) -> None:
        """From now on requests go to this version; those under way end on the one before."""
        self._current = current(loaded, Batcher(loaded, self.rules.batch, self.figures, self.thread))
        self.figures.add("swaps")

    def stand_beside(self, second: Beside | None) -> None:
        """From now on a part of the requests goes to this second version, or to none."""
        before, self.beside = self.beside, second
        if before is not None:
            before.close()

    def request_id(self) -> str:
        """Unique for all time: this worker's random prefix and a count."""
        self._count += 1
        return f"{self._prefix}{self._count:08x}"

    def facts(self) -> dict[str, Any]:
        """This worker as it is now, for its own user."""
        version = self._current.loaded.version if self._current is not None else None
        return {
            "pid": os.getpid(),
            "draining": self.draining,
            "model": version.model if version else None,
            "version": version.number if version else None,
            "digest": version.digest if version else None,
            "figures": self.figures.all(),
            "tokens": [{"name": token.name, "scope": token.scope} for token in self.tokens.every()],
            "rules": self.rules.model_dump(mode="json"),
        }

    def ask(self, whom: Current, row: Row | None, feeds: Feeds | None, n: int) -> Awaitable[list[Any]]:
        """All outputs of a version for these rows. Raises Refused."""
        future = whom.batcher.submit(row, feeds, n)
        if self.beside is not None:
            self.beside.asked(whom, future)
        return self.outputs(future)

    async def outputs(self, future: asyncio.Future[list[Any]]) -> list[Any]:
        """Wait for a batch, at most as long as a request may take. Raises Refused."""
        self.pending[future] = time.monotonic()
        try:
            return await future
        finally:
            del self.pending[future]

    def expire(self) -> None:
        """Give up requests that have waited too long."""
        oldest = time.monotonic() - self.rules.timeout_s
        for future, since in list(self.pending.items()):
            if since < oldest and not future.done():
                future.set_exception(
                    Refused(503, f"no answer within {self.rules.timeout_s:g} s", retry_s=int(self.rules.timeout_s) + 1)
                )


def current(loaded: Loaded, batcher: Batcher, route: str = "production") -> Current:
    """A loaded version as one that answers."""
    version = loaded.version
    told = {"model": version.model, "version": version.number, "digest": version.digest}
    return Current(loaded, batcher, msgspec.json.encode(told)[1:-1], route)


def _hash_key(folder: Path, rules: ServeSection) -> bytes:
    """A secret of the endpoint, so that hashed values cannot be looked up in a table of guesses."""
    if not rules.log.hash:
        return b""
    path = folder / "hash.key"
    if not path.exists():
        from storage.durable import write_whole

        write_whole(path, uuid.uuid4().bytes + uuid.uuid4().bytes, mode=0o600)
    return path.read_bytes()
