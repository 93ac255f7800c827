"""The second version in a worker: which requests it answers, or answers in the shadow, and what came of them."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from runners.serving.batching import Batcher
from runners.serving.form import UNREADABLE, Feeds
from runners.serving.plan import Plan
from runners.serving.predictionlog import Answered
from runners.serving.refusals import Refused
from runners.serving.samples import PRODUCTION, SECOND, Samples, value_of
from runners.serving.session import Loaded
from runners.serving.shadowing import Shadow
from runners.serving.state import Current, Serving, current
from storage.rollout_section import CanarySection

ALWAYS = b"always"


class Beside:
    """A loaded second version. Everything here but a shadow's own thread belongs to the event loop."""

    def __init__(self, serving: Serving, plan: Plan, loaded: Loaded) -> None:
        self._rules = CanarySection.model_validate(plan.rules)
        self._samples = Samples(Path(plan.folder), serving.worker)
        self._salt = str(plan.rollout).encode()
        self._first = _decoder(self._rules.key)
        self._shadow: Shadow | None = None
        self._own: Current | None = None
        if plan.kind == "shadow":
            self._shadow = Shadow(loaded, serving, self._samples)
        else:
            thread = ThreadPoolExecutor(1, "second model")  # one that hangs holds up only itself
            batcher = Batcher(loaded, serving.rules.batch, serving.figures, thread)
            self._own = current(loaded, batcher, route=plan.kind)

    def chosen(self, production: Current, headers: Sequence[tuple[bytes, bytes]], source: bytes | Feeds) -> Current:
        """Who answers a request, by its headers and its body or inputs."""
        if self._own is None:
            return production
        if self._rules.header is not None:
            name = self._rules.header.lower().encode()
            return self._own if any(key == name and value == ALWAYS for key, value in headers) else production
        place = random.random() if self._rules.key is None else self._place(self._key_of(source))
        return self._own if place * 100 < self._rules.percent else production

    def asked(self, whom: Current, future: asyncio.Future[list[Any]]) -> None:
        """A request waits for its answer: should none come, it is that version's failure."""
        side = SECOND if whom is self._own else PRODUCTION

        def ended(done: asyncio.Future[list[Any]]) -> None:
            err = None if done.cancelled() else done.exception()
            if err is not None and not (isinstance(err, Refused) and err.status < 500):
                self._samples.failed(side)

        future.add_done_callback(ended)

    def answered(self, whom: Current, found: Answered, size: int, *, logged: bool) -> None:
        """A request was answered."""
        side = SECOND if whom is self._own else PRODUCTION
        self._samples.answered(side, found.milliseconds, value_of(found.entries[0]))
        if self._shadow is not None and random.random() * 100 < self._rules.percent:
            self._shadow.offer(found, size, logged=logged)

    def close(self) -> None:
        """Nobody is sent there any more; what is under way still ends, and with it the thread."""
        if self._shadow is not None:
            self._shadow.close()

    def _key_of(self, source: bytes | Feeds) -> Any:
        if isinstance(source, dict):
            values = source.get(self._rules.key or "")
            return None if values is None else values.reshape(-1)[0]
        try:
            found = self._first[source.lstrip()[:1] == b"["].decode(source)
        except UNREADABLE:
            return None  # production's form will say what is wrong
        found = found[0] if isinstance(found, list) and found else found
        value = getattr(found, "key", None)
        return value[0] if isinstance(value, list) and value else value

    def _place(self, key: Any) -> float:
        """Where a key lies between 0 and 1: always the same, evenly spread, and another place in each rollout."""
        told = str(key)
        if isinstance(key, int | float | np.generic):
            with suppress(OverflowError):  # 5, 5.0 and a tensor's 5 are one key
                told = repr(float(key))
        return int.from_bytes(hashlib.blake2b(told.encode(), digest_size=8, key=self._salt).digest()) / 2**64


def _decoder(key: str | None) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    """Of one record or columns, and of a list of records: only the key is looked at."""
    record = msgspec.defstruct("Key", [("key", Any, None)], rename={"key": key or "key"})
    return msgspec.json.Decoder(record), msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
