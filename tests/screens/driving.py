"""The real app on a real shed, driven by keys: `async with driving(shed) as app`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from textual.pilot import Pilot

from app.tui import Trainshed
from storage.shed import Shed

Found = TypeVar("Found")
PATIENCE_S = 60.0  # of a busy machine


class Driven:
    """An app under way. `press` returns when what the keys set off is on the screen."""

    def __init__(self, app: Trainshed, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    async def until(
        self, condition: Callable[[], Found | Literal[False] | None], patience: float = PATIENCE_S
    ) -> Found:
        """Wait until `condition` gives something true, and return that."""
        deadline = time.monotonic() + patience
        while True:
            await self.pilot.pause()
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{condition} still gives {found!r}; the screen shows\n{self.text}")
            await asyncio.sleep(0.005)

    async def settled(self) -> None:
        """Wait until the view in front has shown what it asked for."""
        await self.until(lambda: self.app.view is None or (self.app.view.answered and not self.app.view._asking))

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def type(self, text: str) -> None:
        """Type into the line that has the focus."""
        names = {
            " ": "space",
            "=": "equals_sign",
            ">": "greater_than_sign",
            ".": "full_stop",
            "/": "slash",
            "-": "minus",
        }
        await self.pilot.press(*(names.get(sign, sign) for sign in text))

    async def sees(self, *texts: str, patience: float = PATIENCE_S) -> None:
        """Wait until all these texts stand on the screen."""

        def all_stand() -> bool:
            shown = self.text
            return all(text in shown for text in texts)

        await self.until(all_stand, patience)

    @property
    def lines(self) -> list[str]:
        return ["".join(part.text for part in strip) for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def driving(
    shed: Shed, *, size: tuple[int, int] = (80, 24), project: str | None = None, folder: Path | None = None, **more: Any
) -> AsyncIterator[Driven]:
    """Open the app; the first view has been read when this begins."""
    app = Trainshed(lambda: shed, project=project, project_dir=folder, user="ana", host="box", **more)
    async with app.run_test(size=size, notifications=True) as pilot:
        driven = Driven(app, pilot)
        await driven.until(lambda: app.shed is not None)
        await driven.settled()
        yield driven
    if app.crash is not None:
        raise app.crash
