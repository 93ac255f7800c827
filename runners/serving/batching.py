"""Micro-batching: rows of several requests reach the model in one call.

A quick model runs on the event loop itself, where handing a batch to a thread and back would take longer than the model
does; a slow one runs in a thread, and what comes meanwhile is its next batch. A full queue refuses at once.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from runners.serving.figures import Figures
from runners.serving.form import Feeds, Row
from runners.serving.refusals import Refused
from runners.serving.session import Loaded
from storage.serve_section import BatchSection

INLINE_S = 0.0015  # a batch that takes longer than this goes to a thread


@dataclass(slots=True, eq=False)
class Item:
    """What one request waits for: either one decoded row or arrays of `n` rows."""

    row: Row | None
    feeds: Feeds | None
    n: int
    future: asyncio.Future[list[npt.NDArray[Any]]]


class Batcher:
    """The queue before one loaded model. Everything here happens on the event loop."""

    def __init__(self, loaded: Loaded, rules: BatchSection, figures: Figures, thread: ThreadPoolExecutor) -> None:
        self.loaded = loaded
        self._rules = rules
        self._figures = figures
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Item] = deque()
        self._rows = 0
        self._due: asyncio.Handle | None = None
        self._busy = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._queue and not self._busy

    def submit(self, row: Row | None, feeds: Feeds | None = None, n: int = 1) -> asyncio.Future[list[Any]]:
        """All outputs for these rows, once their batch has run. Raises Refused when the queue is full."""
        if self._rows + n > self._rules.max_queue:
            raise Refused(
                429, f"{self._rows:,} rows wait already, at most {self._rules.max_queue:,}", retry_s=self._retry_s()
            )
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._queue.append(Item(row, feeds, n, future))
        self._rows += n
        self._schedule()
        return future

    def _retry_s(self) -> int:
        """When the queue will have emptied, as far as one knows."""
        batches = math.ceil(self._rows / self._rules.max_size)
        return max(1, math.ceil(batches * self.loaded.estimate(self._rules.max_size)))

    def _schedule(self) -> None:
        if self._busy or not self._queue:
            return
        if self._rows >= self._rules.max_size and isinstance(self._due, asyncio.TimerHandle):
            self._due.cancel()  # it need not wait any longer
            self._due = None
        if self._due is None:
            delay = self._rules.max_delay_ms / 1000
            wait = delay and self._rows < self._rules.max_size
            self._due = self._loop.call_later(delay, self._flush) if wait else self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._due = None
        items = self._taken()
        if not items:
            return
        n = sum(item.n for item in items)
        if self.loaded.estimate(n) <= INLINE_S:
            try:
                self._settle(items, _run(self.loaded, items, self._rules.max_size))
            except Exception as err:  # whatever it is, those who wait must be told
                _fail(items, err)
            self._schedule()
            return
        self._busy = True
        work = self._loop.run_in_executor(self._thread, _run, self.loaded, items, self._rules.max_size)
        work.add_done_callback(lambda done: self._came_back(items, done))

    def _came_back(self, items: list[Item], done: asyncio.Future[Any]) -> None:
        self._busy = False
        if done.cancelled() or done.exception() is not None:
            _fail(items, done.exception() if not done.cancelled() else asyncio.CancelledError())
        else:
            self._settle(items, done.result())
        self._schedule()

    def _taken(self) -> list[Item]:
        """The next batch. A request of more rows than a batch is taken alone; one that nobody waits for is left out."""
        items: list[Item] = []
        rows = 0
        while self._queue and (not items or rows + self._queue[0].n <= self._rules.max_size):
            item = self._queue.popleft()
            self._rows -= item.n
            if not item.future.done():
                items.append(item)
                rows += item.n
        self._figures.put("queued_rows", self._rows)
        return items

    def _settle(self, items: Sequence[Item], outputs: list[npt.NDArray[Any]]) -> None:
        done = 0
        for item in items:
            place = slice(done, done + item.n)
            done += item.n
            if not item.future.done():
                item.future.set_result([values[place] for values in outputs])
        for rows in _parts(done, self._rules.max_size):
            self._figures.batched(rows)
        for values in outputs:
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                self._figures.add("nonfinite", int(np.count_nonzero(~np.isfinite(values))))


def _run(loaded: Loaded, items: Sequence[Item], most: int) -> list[npt.NDArray[Any]]:
    feeds = _merged(loaded, items)
    n = sum(item.n for item in items)
    if n <= most:
        return loaded.run(feeds)
    parts, start = [], 0
    for size in _parts(n, most):
        parts.append(loaded.run({name: values[start : start + size] for name, values in feeds.items()}))
        start += size
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _parts(n: int, most: int) -> list[int]:
    return [most] * (n // most) + ([n % most] if n % most else [])


def _merged(loaded: Loaded, items: Sequence[Item]) -> Feeds:
    """The rows of all items, in their order."""
    groups: list[Feeds] = []
    rows: list[Row] = []
    for item in items:
        if item.feeds is None:
            rows.append(item.row)
            continue
        if rows:
            groups.append(loaded.form.feeds(rows))
            rows = []
        groups.append(item.feeds)
    if rows:
        groups.append(loaded.form.feeds(rows))
    if len(groups) == 1:
        return groups[0]
    return {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}


def _fail(items: Sequence[Item], err: BaseException | None) -> None:
    for item in items:
        if not item.future.done():
            item.future.set_exception(err or RuntimeError("no result"))
