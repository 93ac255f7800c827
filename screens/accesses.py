"""Who asked an endpoint what, and how it was answered: the newest lines of its access log, as they come."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from screens import figures
from screens.acting import bindings
from screens.ink import Line, Span, escaped, span
from screens.view import View
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from storage.accesses import Access
    from storage.shed import Shed

SHOWN = 500
NEWS_S = 1.0  # between two looks at the log
EMPTY: list[Line] = [
    [Span("Nobody has asked it yet.", "bold")],
    [Span("With access_mb = 0 in [serve] no access log is kept.", "dim")],
]
COLUMNS = (
    Column("at", least=12),
    Column("answer", "r"),
    Column("ms", "r", least=6),
    Column("asked", grow=True, least=14),
    Column("token", least=8, most=20, rank=8),
    Column("from", least=9, rank=4, role="dim"),
    Column("bytes", "r", least=7, rank=3, role="dim"),
    Column("request", most=32, rank=2, role="faint"),
)


class AccessesPage(View[None, "list[Access]"]):
    """A page over Serving; `esc` goes back to it. The newest request stands on top."""

    PLACE = "accesses"
    VIEW = "serving"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("accesses")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._endpoint = name
        self._looked_at = 0.0

    def body(self) -> ComposeResult:
        with Vertical(classes="pane") as box:
            box.border_title = escaped(f"{self._endpoint} · requests")
            empty: list[Line] = [
                [Span("Nobody has asked it yet, or access_mb = 0 in [serve] keeps no access log.", "dim")]
            ]
            yield Grid(empty=empty)

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> list[Access]:
        from runners.actions import endpoint_logs

        return endpoint_logs.accesses(shed, self._endpoint, SHOWN)[::-1]

    def show(self, answer: list[Access]) -> None:
        self._looked_at = time.monotonic()
        grid = self.query_one(Grid)
        at_top = grid.cursor == 0
        grid.show([Row((each.at, each.id, each.remote), _cells(each)) for each in answer], columns=COLUMNS)
        if at_top:
            grid.move_to(0)  # the newest come in at the top, and are seen there
        bad = sum(each.status >= 400 or not each.status for each in answer)
        told = f"the newest {len(answer):,}, {bad:,} of them turned away or failed" if answer else ""
        self.query_one(".pane").border_subtitle = told

    def look(self) -> None:
        if time.monotonic() - self._looked_at > NEWS_S:
            self.refetch()

    def do_copy(self) -> None:
        self.shell.copy(f"trainshed endpoints logs {self._endpoint} --access")


def _cells(found: Access) -> tuple[Line, ...]:
    role = "failed" if found.status >= 500 or not found.status else "attention" if found.status >= 400 else "done"
    at = datetime.fromtimestamp(found.at).strftime("%H:%M:%S.%f")[:-3]
    return (
        [Span(at)],
        [Span(str(found.status) if found.status else "none", role)],
        [Span(f"{found.ms:.1f}")],
        [span(f"{found.method} {found.path}" if found.method else "no HTTP")],
        [span(found.token or "-", "" if found.token else "dim")],
        [span(found.remote or "unix")],
        [Span(figures.size(found.bytes))],
        [span(found.id)],
    )
