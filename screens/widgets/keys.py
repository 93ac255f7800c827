"""The last line: the keys that do something here and now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import events
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.screen import Screen
from textual.timer import Timer

from screens.acting import Acting
from screens.actions import KEYS, Action, by_id
from screens.ink import Line, Span, width_of
from screens.widgets.painted import Painted

NAMES = {**{name: typed for typed, name in KEYS.items()}, "comma": ","}


def key_name(key: str) -> str:
    """A key as people call it."""
    return NAMES.get(key, key)


def within_reach(screen: Screen[object]) -> Iterator[tuple[DOMNode, Action, str]]:
    """What can be reached by key from where the focus is: who does it, what, and by which keys; nearest first."""
    found: dict[str, tuple[DOMNode, Action, list[str]]] = {}
    taken: set[str] = set()
    for node, keymap in screen._modal_binding_chain:
        for key, each in keymap.key_to_bindings.items():
            for binding in each:
                if binding.id is None or not binding.action.startswith("act(") or key in taken:
                    continue
                found.setdefault(binding.id, (node, by_id(binding.id), []))[2].append(key)
        taken.update(keymap.key_to_bindings)
    for node, action, keys in found.values():
        yield node, action, " ".join(dict.fromkeys(key_name(key) for key in keys))


def _possible(node: DOMNode, action: Action) -> bool:
    try:
        return isinstance(node, Acting) and not node.why_not(action.name)
    except NoMatches:
        return False  # the screen is being made, or goes away


class Keys(Acting, Painted):
    """As many as there is room for, those of the focused widget first, `? help` always."""

    def __init__(self) -> None:
        super().__init__()
        self._remark: Line = []
        self._until: Timer | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.repaint())

    def remark(self, told: Line, seconds: float) -> None:
        """Say this instead, for so long; nothing: the keys again."""
        if self._until is not None:
            self._until.stop()
        self._until = self.set_timer(seconds, lambda: self.remark([], 0.0)) if told else None
        if list(told) != list(self._remark):
            self._remark = told
            self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return [self._remark or [part for part, _ in self._parts(width)]]

    def _parts(self, width: int) -> list[tuple[Span, Action | None]]:
        last: list[tuple[Span, Action | None]] = []
        early: list[list[tuple[Span, Action | None]]] = []
        rest: list[list[tuple[Span, Action | None]]] = []
        for node, action, keys in within_reach(self.screen):
            if not action.shown or not _possible(node, action):
                continue
            told: list[tuple[Span, Action | None]] = [
                (Span(keys.split(" ")[0], "accent"), action),
                (Span(f" {action.title}", "dim"), action),
                (Span("   "), None),
            ]
            if action.id in ("app.help", "app.quit"):
                last += told
            else:
                (early if action.early else rest).append(told)
        room = width - 1 - width_of([part for part, _ in last])
        done: list[tuple[Span, Action | None]] = [(Span(" "), None)]
        for told in [*early, *rest]:
            size = width_of([part for part, _ in told])
            if size > room:
                continue
            done += told
            room -= size
        return done + last

    async def on_click(self, event: events.Click) -> None:
        at = 0
        for part, action in self._parts(self.size.width):
            at += width_of([part])
            if event.x < at:
                if action is not None:
                    for node, each, _ in within_reach(self.screen):
                        if each is action and isinstance(node, Acting):
                            await node.act(action)
                            break
                return
