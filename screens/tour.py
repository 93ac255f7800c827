"""The first minutes: what this is, where things are, which keys; at its end the sample project runs, live."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from screens.acting import ActingScreen, bindings
from screens.actions import VIEWS
from screens.ink import Line, Span, folded, line, padded
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from storage.shed import Shed

ASKS = {
    "home": "Is everything all right, and what needs me?",
    "data": "What do we have, what changed, is it sound?",
    "runs": "How is it going, and why?",
    "compare": "Which is better, and what made the difference?",
    "models": "May this one go to production?",
    "serving": "Is it healthy, and who is it answering?",
    "triggers": "What will happen by itself, and what did?",
    "machine": "Who has what?",
}
KEYS = (
    ("1 … 8", "the views"),
    ("enter  esc", "into a thing, and out again"),
    ("j k g G  tab", "up and down, first and last, the next pane"),
    ("/", "filter: status=failed lr>1e-4"),
    ("ctrl+p", "find any action by its name"),
    ("?", "the keys that work where you are"),
    ("q", "leave; runs continue"),
)


def _pages() -> list[tuple[str, list[Line]]]:
    loop: list[Line] = [
        [Span("One loop, from raw files to a model in production, and round again:", "bold")],
        [],
        [Span("files ─► dataset version ─► validate ─► prepare ─► train", "accent")],
        [Span("  ▲                                                 │", "accent")],
        [Span("  └─ triggers ◄─ monitor ◄─ serve ◄─ gate ◄─ evaluate", "accent")],
        [],
        [Span("Everything is kept in one directory, the shed; nothing has to be operated.")],
        [Span("Runs, endpoints and triggers go on when this screen is left.")],
    ]
    views: list[Line] = [
        line(Span(f"{view.number} ", "accent"), *padded([Span(view.title, "bold")], 10), Span(ASKS[view.name], "dim"))
        for view in VIEWS
    ]
    keys: list[Line] = [line(*padded([Span(key, "accent")], 15), Span(told)) for key, told in KEYS]
    sample: list[Line] = [
        [Span("The sample project predicts which flights from New York arrive late:", "bold")],
        [Span("real flights and weather, checks, a small network, a gate. Two minutes on two cores.")],
        [],
        line(Span("enter", "accent bold"), " runs it now; you watch its stages and curves as they come."),
        line(
            Span("esc", "accent"),
            Span("   leaves. ", "dim"),
            Span("trainshed --batch -p sample_project does the same", "dim"),
        ),
    ]
    return [("what this is", loop), ("where things are", views), ("the keys", keys), ("try it", sample)]


class Card(Painted):
    """The page in front."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return [part for each in self._lines for part in folded(each, width)]


class Tour(ActingScreen, ModalScreen[None]):
    """Pages to turn; enter on the last one runs the sample project."""

    PLACE = "tour"
    CSS_PATH = "styles/dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tour")]

    def __init__(self) -> None:
        super().__init__()
        self._pages = _pages()
        self._page = 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Card()

    def on_mount(self) -> None:
        self._turn(0)

    def _turn(self, page: int) -> None:
        self._page = page
        title, lines = self._pages[page]
        box = self.query_one(".dialog")
        box.border_title = title
        last = page == len(self._pages) - 1
        box.border_subtitle = (
            f"{page + 1} of {len(self._pages)} · enter {'runs it' if last else 'goes on'} · esc leaves"
        )
        self.query_one(Card).show(lines)

    def why_not(self, name: str) -> str:
        if name == "before" and self._page == 0:
            return "This is the first page."
        return super().why_not(name)

    def do_onward(self) -> None:
        if self._page < len(self._pages) - 1:
            self._turn(self._page + 1)
        else:
            self.dismiss()
            self.shell.run_worker(self._run())

    def do_before(self) -> None:
        self._turn(self._page - 1)

    def do_close(self) -> None:
        self.dismiss()

    async def _run(self) -> None:
        from screens.threads import beside
        from storage.errors import TrainshedError

        shell, shed = self.shell, self.shell.shed
        if shed is None:
            return
        shell.say("the sample project is frozen and queued …")
        try:
            folder, name, run_id = await beside(lambda: _launched(shed))
        except TrainshedError as err:
            shell.tell(err)
            return
        if shell.project is None:
            shell.project, shell.project_dir = name, folder
        shell.open_thing(str(run_id))


def _launched(shed: Shed) -> tuple[Path, str, int]:
    from runners.actions import queueing, sample

    folder = sample.sample_project(Path.cwd())
    run = queueing.launch(shed, folder, params={}).run
    return folder, run.project, run.id or 0
