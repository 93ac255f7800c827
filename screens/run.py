"""One run: how it is going, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from screens.acting import bindings
from screens.actions import Action
from screens.dialogs import Agreeing, Asking
from screens.ink import Span, escaped, line
from screens.sections import Section
from screens.sections.artifacts import Artifacts
from screens.sections.charts import Charts, Machine
from screens.sections.code import Code
from screens.sections.log import LogSection
from screens.sections.notes import Notes
from screens.sections.origin import Origin
from screens.sections.params import Params
from screens.sections.values import Values
from screens.sections.why import ENDED_BADLY, Why
from screens.view import View
from screens.widgets.grid import Grid
from screens.widgets.parts import Parts
from screens.widgets.run_head import RunHead

if TYPE_CHECKING:
    from runners.actions.curves import Kind
    from runners.actions.runs import RunDetails
    from storage.errors import TrainshedError
    from storage.shed import Shed

SECTIONS: tuple[type[Section], ...] = (
    *(Why, Charts, Values, LogSection, Params, Machine, Code, Artifacts, Origin, Notes),
)
NAMES = {section.NAME for section in SECTIONS}


@dataclass(frozen=True)
class Asked:
    """Which part of which run, and what that part wants to know. No part: only the run itself."""

    run_id: int
    part: Section | None
    wish: Any


@dataclass(frozen=True)
class Found:
    """The run, and what its part in front asked for."""

    asked: Asked
    details: RunDetails
    left_alone: bool
    answer: Any


class RunPage(View[Asked, Found]):
    """A page over the list of runs; `esc` goes back to it."""

    PLACE = "run"
    VIEW = "runs"
    CSS_PATH = "styles/run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("run")]

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.run_id = run_id
        self.part = ""
        self._details: RunDetails | None = None
        self._alone = False
        self._grown: dict[str, int] = {}

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="head"):
            yield RunHead()
        yield Parts()
        with ContentSwitcher(classes="pane", id="parts"):
            for section in SECTIONS:
                part = section()
                part.id = section.NAME
                yield part

    def on_mount(self) -> None:
        self.query_one("#head").border_title = str(self.run_id)

    # -- reading

    def question(self) -> Asked:
        if not self.part:
            return Asked(self.run_id, None, None)
        return Asked(self.run_id, self._section, self._section.question())

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import runs
        from runners.actions.liveness import supervised

        details = runs.details(shed, question.run_id)
        run = details.row.run
        alone = run.status == "running" and not supervised(run)
        part = question.part
        answer = part.answer(shed, question.run_id, question.wish) if part is not None else None
        return Found(question, details, alone, answer)

    def show(self, answer: Found) -> None:
        first = self._details is None
        self._details, self._alone = answer.details, answer.left_alone
        run = answer.details.row.run
        head = self.query_one("#head")
        head.border_title = escaped(f"{run.id}  {run.name}")
        head.border_subtitle = escaped("  ".join([*answer.details.row.tags, answer.details.dataset or "", run.project]))
        if first:
            self.go(Why.NAME if run.status in ENDED_BADLY else Charts.NAME)
        self._show_head()
        self._show_parts()
        part = answer.asked.part
        if part is not None and self.part == part.NAME:
            part.show(answer.details, answer.answer)

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if self._details is None:
            self.dismiss()  # there is no such run any more

    @property
    def _section(self) -> Section:
        return self.query_one(f"#{self.part}", Section)

    def _there(self) -> list[type[Section]]:
        badly = self._details is not None and self._details.row.run.status in ENDED_BADLY
        return [section for section in SECTIONS if badly or section is not Why]

    def _show_head(self) -> None:
        self.query_one(RunHead).show(self._details, left_alone=self._alone, reason=self.part != Why.NAME)

    def _show_parts(self) -> None:
        self.query_one(Parts).show([(each.NAME, each.LETTER) for each in self._there()], self.part)

    def go(self, part: str) -> None:
        """Bring a part to the front."""
        if part == self.part:
            return
        self.part = part
        self.query_one("#parts", ContentSwitcher).current = part
        self._show_head()
        self._show_parts()
        self.set_focus(None)
        self._section.begin()
        self.refetch()

    @on(Parts.Picked)
    def _picked(self, event: Parts.Picked) -> None:
        self.go(event.name)

    def look(self) -> None:
        if self.part and self._details is not None and self._details.row.run.status == "running":
            self._section.look()

    def look_at_series(self, kind: Kind) -> None:
        """Read again when series have grown."""
        from runners.actions import curves

        shed = self.shell.shed
        if shed is None:
            return
        size = curves.size(shed, self.run_id, kind)
        if self._grown.get(kind) != size:
            self._grown[kind] = size
            self.refetch()

    def tick(self) -> None:
        self.query_one(RunHead).repaint()

    # -- actions

    async def act(self, action: Action) -> None:
        if action.place == "run" and action.name in NAMES and not self.why_not(action.name):
            self.go(action.name)
        else:
            await super().act(action)

    def why_not(self, name: str) -> str:
        details = self._details
        if name == "copy" or details is None:
            return "" if details is not None else "The run has not been read yet."
        status = details.row.run.status
        if name == "why" and status not in ENDED_BADLY:
            return "Nothing went wrong with this run."
        if name == "stop" and status not in ("running", "queued"):
            return f"This run is {status}: there is nothing to stop."
        if name == "resume" and status not in ("failed", "stopped"):
            return f"This run is {status}; only one that failed or was stopped goes on."
        if name == "requeue" and status in ("running", "queued"):
            return f"This run is {status}."
        return super().why_not(name)

    def _step(self, by: int) -> None:
        names = [each.NAME for each in self._there()]
        self.go(names[(names.index(self.part) + by) % len(names)] if self.part in names else names[0])

    def do_next(self) -> None:
        self._step(1)

    def do_previous(self) -> None:
        self._step(-1)

    def do_stop(self) -> None:
        async def stop(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _stop(shed, self.run_id), f"run {self.run_id} is asked to stop")

        told = [line("It gets a moment to write a checkpoint; ", Span("r", "accent"), " takes it up again later.")]
        self.app.push_screen(Agreeing(f"stop run {self.run_id}", told, verb="stop it", dangerous=True), stop)

    async def do_resume(self) -> None:
        await self.shell.carry_out(lambda shed: _resume(shed, self.run_id), f"run {self.run_id} waits for its turn")

    async def do_requeue(self) -> None:
        await self.shell.carry_out(lambda shed: _requeue(shed, self.run_id), "a new run of the same waits for its turn")

    def do_note(self) -> None:
        async def add(text: str | None) -> None:
            if text:
                await self.shell.carry_out(lambda shed: _note(shed, self.run_id, text), "noted")

        self.app.push_screen(Asking(f"a note on run {self.run_id}"), add)

    def do_tag(self) -> None:
        async def add(text: str | None) -> None:
            if text:
                await self.shell.carry_out(lambda shed: _tag(shed, self.run_id, text.split()), f"tagged {text}")

        self.app.push_screen(Asking(f"tag run {self.run_id}", placeholder="baseline"), add)

    def do_copy(self) -> None:
        if self._details is not None:
            self.shell.copy(str(self._details.directory))

    @on(Grid.Chosen, "#origin Grid")
    def _origin_chosen(self, event: Grid.Chosen) -> None:
        key = event.key
        if isinstance(key, tuple) and key[0]:
            self.shell.open_thing(str(key[0]))


def _stop(shed: Shed, run_id: int) -> None:
    from runners.actions import queueing

    queueing.stop(shed, [run_id])


def _resume(shed: Shed, run_id: int) -> None:
    from runners.actions import queueing

    queueing.resume(shed, run_id)


def _requeue(shed: Shed, run_id: int) -> None:
    from runners.actions import queueing

    queueing.requeue(shed, run_id)


def _note(shed: Shed, run_id: int, text: str) -> None:
    from runners.actions import runs

    runs.add_note(shed, run_id, text)


def _tag(shed: Shed, run_id: int, tags: list[str]) -> None:
    from runners.actions import runs

    runs.add_tags(shed, run_id, tuple(tags))
