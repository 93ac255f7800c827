"""ctrl+p: any action by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.fuzzy import Matcher
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from screens.acting import Acting, ActingScreen, bindings
from screens.actions import VIEWS, Action, keys_of, of
from screens.ink import Span, span
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.keys import key_name, within_reach


@dataclass(frozen=True)
class Offer:
    """One line of the palette. What belongs to another view has no `node`: it leads to that view."""

    title: str
    about: str
    keys: str
    node: DOMNode | None
    action: Action | None
    why_not: str = ""


def offers(screen: Screen[Any]) -> list[Offer]:
    """Every action that can be looked up from a screen; those that cannot be done now say why."""
    found: list[Offer] = []
    seen: set[str] = set()
    nodes = [node for node, _ in screen._modal_binding_chain]
    keys = {action.id: told for _, action, told in within_reach(screen)}
    for node in nodes:
        if not isinstance(node, Acting) or node.PLACE in seen:
            continue
        for place in node.places():
            seen.add(place)
            for action in of(place):
                if action.in_palette:
                    reason = node.why_not(action.name)
                    found.append(Offer(action.title, action.tells, keys.get(action.id, ""), node, action, reason))
    for view in VIEWS:
        for action in of(view.name) if view.name not in seen else []:
            if action.in_palette:
                key = next((f"{view.number} {key_name(key)}" for key in keys_of(action.keys)), str(view.number))
                found.append(Offer(action.title, f"{view.title}: {action.tells}", key, None, action))
    return found


class Palette(ActingScreen, ModalScreen[None]):
    """A line to type in, and what fits it."""

    PLACE = "palette"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("palette")]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about
        self._offers: list[Offer] = []
        self._shown: list[Offer] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog palette") as box:
            box.border_title = "actions"
            yield Input(placeholder="type to find")
            yield Grid(
                [Column("", grow=True, least=20), Column("", grow=True, most=60, role="dim", rank=3), Column("", "r")],
                header=False,
                opens=True,
                classes="-steady",
                empty=[[Span("nothing is called so", "dim")]],
            )

    def on_mount(self) -> None:
        self._offers = offers(self._about)
        self._fill("")
        self.query_one(Grid).can_focus = False
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, text: str) -> None:
        if text.strip():
            matcher = Matcher(text.strip())
            scored = [(matcher.match(offer.title) * 2 + matcher.match(offer.about), offer) for offer in self._offers]
            self._shown = [offer for score, offer in sorted(scored, key=lambda pair: -pair[0]) if score > 0]
        else:
            self._shown = list(self._offers)
        rows = [
            Row(
                place,
                (
                    [span(offer.title, "faint" if offer.why_not else "bold")],
                    [span(offer.why_not or offer.about, "faint" if offer.why_not else "")],
                    [Span(offer.keys, "accent")],
                ),
            )
            for place, offer in enumerate(self._shown)
        ]
        grid = self.query_one(Grid)
        grid.show(rows)
        grid.move_to(0)

    @on(Input.Submitted)
    async def _submitted(self) -> None:
        await self._do(self.query_one(Grid).cursor)

    @on(Grid.Chosen)
    async def _clicked(self, event: Grid.Chosen) -> None:
        await self._do(int(str(event.key)))

    async def _do(self, place: int) -> None:
        if not 0 <= place < len(self._shown):
            return
        offer = self._shown[place]
        self.dismiss()
        if isinstance(offer.node, Acting) and offer.action is not None:
            self.app.call_later(offer.node.act, offer.action)
        elif offer.action is not None:
            shell = self.shell
            shell.show_view(offer.action.place)
            keys = [key_name(key) for key in keys_of(offer.action.keys)]
            shell.say(f"{keys[0]} is the key for it here" if keys else f"{offer.action.title} is in the palette here")

    def do_down(self) -> None:
        self.query_one(Grid).do_down()

    def do_up(self) -> None:
        self.query_one(Grid).do_up()

    def do_close(self) -> None:
        self.dismiss()
