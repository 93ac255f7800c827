"""One run: how it is going, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType

from screens.acting import bindings
from screens.dialogs import Asking
from screens.ink import escaped
from screens.outlook import outlooks
from screens.paged import Asked, Found, Paged
from screens.queueing import Queueing
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
    from runners.actions.forecasts import Outlook
    from runners.actions.runs import RunDetails
    from storage.shed import Shed
    from storage.tables import Run


CURVES_S = 1.0  # between two looks at the series


@dataclass(frozen=True)
class Seen:
    """A run; `left_alone` when it is said to be running and its supervisor is gone, `outlook` while it waits."""

    run: RunDetails
    left_alone: bool
    outlook: Outlook | None = None


class RunPage(Paged[Seen], Queueing[Asked, Found[Seen]]):
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
        self._looked_at = 0.0

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
        left_alone = run.status == "running" and not supervised(run)
        return Seen(details, left_alone, outlooks(shed, [run]).get(self.run_id))

    def show_head(self, details: Seen) -> None:
        run = details.run.row.run
        head = self.query_one("#head")
        head.border_title = escaped(f"{run.id}  {run.name}")
        head.border_subtitle = escaped(
            "  ".join(filter(None, [*details.run.row.tags, details.run.dataset, run.project]))
        )
        self.query_one(RunHead).show(
            details.run, left_alone=details.left_alone, reason=self.part != Why.NAME, outlook=details.outlook
        )

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
        """Read again when series have grown, at most once a second: that keeps three curves below 1 KiB/s."""
        from runners.actions import curves

        shed = self.shell.shed
        if shed is None or time.monotonic() - self._looked_at < CURVES_S:
            return
        self._looked_at = time.monotonic()
        size = curves.size(shed, self.run_id, kind)
        if self._grown.get(kind) != size:
            self._grown[kind] = size
            self.refetch()

    def tick(self) -> None:
        self.query_one(RunHead).repaint()

    # -- actions

    def chosen(self) -> dict[int, Run | None]:
        return {self.run_id: self._run}

    def why_not(self, name: str) -> str:
        if self._run is None:
            return "The run has not been read yet." if name != "back" else ""
        if name == "why" and self._run.status not in ENDED_BADLY:
            return "Nothing went wrong with this run."
        return super().why_not(name)

    def do_note(self) -> None:
        async def add(text: str | None) -> None:
            if text:
                await self.shell.carry_out(lambda shed: _note(shed, self.run_id, text), "noted")

        self.app.push_screen(Asking(f"a note on run {self.run_id}"), add)

    def removed(self, ids: Sequence[int]) -> None:
        super().removed(ids)
        self.dismiss()  # the page of a run that is no more

    def do_copy(self) -> None:
        if self.details is not None:
            self.shell.copy(str(self.details.run.directory))

    @on(Grid.Chosen, "#origin Grid")
    def _origin_chosen(self, event: Grid.Chosen) -> None:
        key = event.key
        if isinstance(key, tuple) and key[0]:
            self.shell.open_thing(str(key[0]))


def _note(shed: Shed, run_id: int, text: str) -> None:
    from runners.actions import runs

    runs.add_note(shed, run_id, text)
