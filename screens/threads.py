"""Work beside the screen: in a thread that never keeps the program from ending."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from textual.dom import DOMNode

from storage.errors import ShedError

Result = TypeVar("Result")


async def beside(work: Callable[[], Result]) -> Result:
    """Do `work` in a daemon thread and return or raise what it does. If nobody waits any more, it is forgotten.

    Raises:
        ShedError: also for what the disk or the database answered that nobody foresaw.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as err:
            error = _told(err)
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the loop is closed: the program ends

    threading.Thread(target=run, name="trainshed screen", daemon=True).start()
    return await ended


def gone(node: DOMNode) -> bool:
    """Whether a page or a widget is being taken away: its parts go first, and what was read for it has no place."""
    return node._pruning


def _told(err: BaseException) -> BaseException:
    """An error of the disk or of the database as one that a person can read; any other as it is."""
    if not isinstance(err, OSError | sqlite3.Error) and type(err).__module__ != "sqlalchemy.exc":
        return err
    reason = str(getattr(err, "orig", None) or getattr(err, "strerror", None) or err)
    place = str(err.filename) if isinstance(err, OSError) and err.filename else ""
    told = ShedError(
        f"the disk or the database says: {reason}",
        place=place,
        todo="see whether the disk is full, read-only or gone; `trainshed doctor` looks; runs go on meanwhile",
    )
    told.__cause__ = err
    return told
