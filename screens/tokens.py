"""Who may ask an endpoint: its tokens, of which only the name is known afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens import figures
from screens.acting import bindings
from screens.dialogs import Agreeing, Asking, Reading
from screens.ink import Line, Span, escaped, line, span
from screens.view import View
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from storage.errors import TrainshedError
    from storage.shed import Shed

EMPTY: list[Line] = [
    [Span("Nobody has a token: nothing but /health answers.", "bold")],
    line(Span("n", "accent"), Span(" makes one", "dim")),
]


class TokensPage(View[None, list[Any]]):
    """A page over Serving; `esc` goes back to it."""

    PLACE = "tokens"
    VIEW = "serving"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tokens")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._endpoint = name

    def body(self) -> ComposeResult:
        with Vertical(classes="pane") as box:
            box.border_title = escaped(f"{self._endpoint} · tokens")
            box.border_subtitle = "the tokens themselves are kept nowhere"
            yield Grid(empty=EMPTY)

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> list[Any]:
        from runners.actions import endpoints

        return endpoints.list_tokens(shed, self._endpoint)

    def show(self, answer: list[Any]) -> None:
        now = time.time()
        columns = [
            Column("token", least=12),
            Column("may", least=10),
            Column("made", "r", role="dim"),
            Column("by", grow=True, role="dim"),
        ]
        rows = [
            Row(
                token.name,
                (
                    [span(token.name, "bold")],
                    [Span(token.scope)],
                    [Span(figures.ago(token.created_at, now))],
                    [span(token.created_by)],
                ),
            )
            for token in answer
        ]
        self.query_one(Grid).show(rows, columns=columns)

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        self.dismiss()  # they are somebody else's

    def why_not(self, name: str) -> str:
        if name == "revoke" and self.query_one(Grid).key is None:
            return "There is no token to revoke."
        return super().why_not(name)

    @on(Grid.Moved)
    def _moved(self) -> None:
        self.refresh_bindings()

    def do_create(self) -> None:
        def scoped(name: str | None) -> None:
            if name:
                told: list[Line] = [
                    line(Span("predict", "accent"), " may ask and give the truth; ", Span("admin", "accent")),
                    [Span("may read /metrics too.")],
                ]
                self.app.push_screen(Asking(f"what {name} may", "predict", lines=told, needed=True), made(name))

        def made(name: str) -> Callable[[str | None], None]:
            def make(scope: str | None) -> None:
                if scope:
                    self.run_worker(self._create(name, scope))

            return make

        self.app.push_screen(Asking("a new token", placeholder="who or what it is for", needed=True), scoped)

    async def _create(self, name: str, scope: str) -> None:
        made: list[str] = []

        def create(shed: Shed) -> None:
            from runners.actions import endpoints

            made.append(endpoints.create_token(shed, self._endpoint, name, scope))

        if await self.shell.carry_out(create, f"{name} may {scope}"):
            told: list[Line] = [
                [Span("Told only now:", "dim")],
                [span(made[0], "accent bold")],
                [],
                line(Span("y", "accent"), Span(" copies it", "dim")),
            ]
            self.app.push_screen(Reading(f"token {name}", lambda _width: told, copies=made[0]))

    def do_revoke(self) -> None:
        name = str(self.query_one(Grid).key)

        async def revoke(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(
                    lambda shed: _revoke(shed, self._endpoint, name), f"{name} opens nothing now"
                )

        told: list[Line] = [line(span(name, "bold"), " opens nothing any more, within a second.")]
        self.app.push_screen(Agreeing(f"revoke {name}", told, verb="revoke it", dangerous=True), revoke)


def _revoke(shed: Shed, endpoint: str, name: str) -> None:
    from runners.actions import endpoints

    endpoints.revoke_token(shed, endpoint, name)
