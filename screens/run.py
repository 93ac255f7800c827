"""One run: how it is going, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType

from screens.acting import bindings
from screens.dialogs import Agreeing, Asking
from screens.ink import Span, escaped, line
from screens.paged import Paged
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
from screens.widgets.grid import Grid
from screens.widgets.run_head import RunHead

if TYPE_CHECKING:
    from runners.actions.curves import Kind
    from runners.actions.runs import RunDetails
    from storage.shed import Shed
    from storage.tables import Run


@dataclass(frozen=True)
class Seen:
    """A run; `left_alone` when it is said to be running and its supervisor is gone."""

    run: RunDetails
    left_alone: bool


class RunPage(Paged[Seen]):
    """A page over the list of runs; `esc` goes back to it."""

    PLACE = "run"
    VIEW = "runs"
    CSS_PATH = "styles/paged.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("run")]
    SECTIONS = (Why, Charts, Values, LogSection, Params, Machine, Code, Artifacts, Origin, Notes)

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self.run_id = run_id
        self._grown: dict[str, int] = {}

    def head(self) -> RunHead:
        return RunHead()

    def on_mount(self) -> None:
        self.query_one("#head").border_title = str(self.run_id)

    def subject(self) -> int:
        return self.run_id

    def read(self, shed: Shed) -> Seen:
        from runners.actions import runs
        from runners.actions.liveness import supervised

        details = runs.details(shed, self.run_id)
        run = details.row.run
        return Seen(details, run.status == "running" and not supervised(run))

    def show_head(self, details: Seen) -> None:
        run = details.run.row.run
        head = self.query_one("#head")
        head.border_title = escaped(f"{run.id}  {run.name}")
        head.border_subtitle = escaped("  ".join([*details.run.row.tags, details.run.dataset or "", run.project]))
        self.query_one(RunHead).show(details.run, left_alone=details.left_alone, reason=self.part != Why.NAME)

    def first_part(self, details: Seen) -> str:
        return Why.NAME if details.run.row.run.status in ENDED_BADLY else Charts.NAME

    def there(self) -> list[type[Section]]:
        badly = self._run is not None and self._run.status in ENDED_BADLY
        return [section for section in self.SECTIONS if badly or section is not Why]

    @property
    def _run(self) -> Run | None:
        return self.details.run.row.run if self.details is not None else None

    def look(self) -> None:
        if self.part and self._run is not None and self._run.status == "running":
            self.section.look()

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

    def why_not(self, name: str) -> str:
        if self._run is None:
            return "The run has not been read yet." if name != "back" else ""
        status = self._run.status
        if name == "why" and status not in ENDED_BADLY:
            return "Nothing went wrong with this run."
        if name == "stop" and status not in ("running", "queued"):
            return f"This run is {status}: there is nothing to stop."
        if name == "resume" and status not in ("failed", "stopped"):
            return f"This run is {status}; only one that failed or was stopped goes on."
        if name == "requeue" and status in ("running", "queued"):
            return f"This run is {status}."
        return super().why_not(name)

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
        if self.details is not None:
            self.shell.copy(str(self.details.run.directory))

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
