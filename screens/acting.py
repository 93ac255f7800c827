"""Doing what the table of actions names: one way for keys, mouse and palette, with a reason where it cannot be done."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ScreenStackError
from textual.await_complete import AwaitComplete
from textual.binding import Binding

from screens.actions import Action, by_id, of
from storage.errors import TrainshedError

if TYPE_CHECKING:
    from screens.shell import Shell


def bindings(place: str) -> list[Binding]:
    """What Textual wants to know of a place's keys."""
    return [
        Binding(action.keys, f"act('{action.id}')", action.title, show=action.shown, id=action.id, tooltip=action.tells)
        for action in of(place)
        if action.keys
    ]


class Acting:
    """A screen, widget or app whose `do_NAME` methods are the actions `PLACE.NAME` of the table."""

    PLACE: ClassVar[str] = ""

    @classmethod
    def places(cls) -> list[str]:
        """The places whose actions it does, its own first."""
        found = (vars(each).get("PLACE", "") for each in cls.__mro__)
        return list(dict.fromkeys(place for place in found if place))

    @property
    def shell(self) -> Shell:
        """The app as screens know it."""
        return cast("Shell", self.app)  # type: ignore[attr-defined]

    def why_not(self, name: str) -> str:
        """Why an action cannot be done now, as a sentence for a person; empty when it can."""
        return ""

    async def action_act(self, action_id: str) -> None:
        await self.act(by_id(action_id))

    async def act(self, action: Action) -> None:
        """Do it, or say why not. What goes wrong is told, with what to do next."""
        reason = self.why_not(action.name)
        if reason:
            self.shell.say(reason, "warning")
            return
        try:
            done: Any = getattr(self, f"do_{action.name}")()
            if inspect.isawaitable(done):
                await done
        except TrainshedError as err:
            self.shell.tell(err)


class ActingScreen(Acting):
    """A screen whose actions those of the table are. It is left once: keys that were typed faster than it is taken
    apart find it gone, and must not close what stands behind it."""

    def dismiss(self, result: Any = None) -> AwaitComplete:
        if not self._in_front:
            return AwaitComplete()
        return cast(AwaitComplete, super().dismiss(result))  # type: ignore[misc]

    @property
    def _in_front(self) -> bool:
        try:
            return self.shell.screen is cast(Any, self)
        except ScreenStackError:  # the app begins or ends
            return False
