"""What an endpoint said of itself, and who asked it: the end of either log, and each line as it comes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from runners.serving.accesslog import FILES, aside
from runners.supervision import logs
from runners.supervision.tailing import Tail
from storage.accesses import Access
from storage.read import endpoints as read_endpoints
from storage.shed import Shed

Wait = Callable[[], bool]

_accesses = msgspec.json.Decoder(Access)


def own(shed: Shed, name: str, count: int) -> list[str]:
    """The last lines of what an endpoint says of itself. Raises UsageError when there is no such endpoint."""
    read_endpoints.named(shed, name)
    return logs.last_lines(_own(shed, name), count)


def follow_own(shed: Shed, name: str, count: int, wait: Wait) -> Iterator[str]:
    """The last lines, then each as it is written. `wait` lets some time pass; False ends it."""
    with closing(Tail(_own(shed, name))) as tail:
        yield from own(shed, name, count)
        while wait():
            yield from (logs.plain(line.decode(errors="replace")) for line in tail.lines())


def accesses(shed: Shed, name: str, count: int) -> list[Access]:
    """The newest requests that an endpoint was asked, of all its workers, the oldest first.

    Raises:
        UsageError: there is no such endpoint.
    """
    read_endpoints.named(shed, name)
    every = (access for path in _of_workers(shed, name) for access in _newest(path, count))
    return heapq.nlargest(count, every, key=lambda access: access.at)[::-1]


def follow_accesses(shed: Shed, name: str, count: int, wait: Wait) -> Iterator[Access]:
    """The newest requests, then each as it is written. `wait` lets some time pass; False ends it."""
    with ExitStack() as open_files:
        tails = {path: open_files.enter_context(closing(Tail(path))) for path in _of_workers(shed, name)}
        yield from accesses(shed, name, count)
        while wait():
            for path in _of_workers(shed, name):
                if path not in tails:
                    tails[path] = open_files.enter_context(closing(Tail(path, whole=True)))
                yield from _read(tails[path].lines())


def _own(shed: Shed, name: str) -> Path:
    return shed.endpoint_dir(name) / "log.txt"


def _of_workers(shed: Shed, name: str) -> list[Path]:
    """Where each worker writes now."""
    return sorted(path for path in shed.endpoint_dir(name).glob("access-*.jsonl") if "." not in path.stem)


def _newest(path: Path, count: int) -> list[Access]:
    """The last requests of one worker, from as many of its files as it takes."""
    found: list[Access] = []
    for each in (path, *(aside(path, number) for number in range(1, FILES))):
        if len(found) >= count:
            break
        lines = logs.last_lines(each, count - len(found))
        found = [*_read([line.encode() for line in lines]), *found]
    return found


def _read(lines: list[bytes]) -> Iterator[Access]:
    """Requests of the lines that are whole."""
    for line in lines:
        try:
            yield _accesses.decode(line)
        except msgspec.DecodeError:
            continue
