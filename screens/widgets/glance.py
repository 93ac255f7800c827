"""A run beside the list: how it goes and its first charts, read again as it goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from screens.acting import Acting
from screens.ink import Line, Span, escaped, folded, joined, span
from screens.outlook import outlooks
from screens.sections.charts import Asked, Found, hang, read
from screens.threads import beside, gone
from screens.widgets.painted import Painted
from screens.widgets.run_head import RunHead
from screens.widgets.wall import Wall

if TYPE_CHECKING:
    from runners.actions.forecasts import Outlook
    from runners.actions.runs import RunDetails
    from storage.shed import Shed

MOST = 4
CURVES_S = 1.0  # between two looks at the series


class Given(Painted):
    """The params in a few lines."""

    def __init__(self) -> None:
        super().__init__()
        self._params: dict[str, str] = {}

    def show(self, params: dict[str, str]) -> None:
        self._params = params
        self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        told = joined([[span(name, "dim"), Span(" "), span(value)] for name, value in self._params.items()], "   ")
        lines: list[Line] = [*folded(told, width)]
        return lines[:3]


class Glance(Acting, Vertical):
    """What is shown belongs to the run that was asked for last."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.run_id: int | None = None
        self._reading = False
        self._again = False
        self._grown = -1
        self._looked_at = 0.0

    def compose(self) -> ComposeResult:
        yield RunHead(brief=True)
        yield Given()
        yield Wall()

    def show_run(self, run_id: int | None) -> None:
        """Read this run, and show it when it has been read."""
        self.run_id = run_id
        self._again = True
        if not self._reading and self.shell.shed is not None and self.display and self.size.width:
            self._reading = True
            self.run_worker(self._read(), group="glance")

    def on_resize(self) -> None:
        self.show_run(self.run_id)

    def look(self) -> None:
        """Read again when its series have grown."""
        from runners.actions import curves

        shed = self.shell.shed
        if self.run_id is None or shed is None or not self.display or time.monotonic() - self._looked_at < CURVES_S:
            return
        self._looked_at = time.monotonic()
        size = curves.size(shed, self.run_id)
        if size != self._grown:
            self._grown = size
            self.show_run(self.run_id)

    async def _read(self) -> None:
        from storage.errors import TrainshedError

        try:
            while self._again and (shed := self.shell.shed) is not None:
                self._again = False
                run_id = self.run_id
                if run_id is None:
                    self._clear()
                    continue
                asked = Asked(max(60, 2 * self.size.width), "step", ())
                try:
                    details, outlook, found = await beside(lambda s=shed, r=run_id, a=asked: _of(s, r, a))  # type: ignore[misc]
                except TrainshedError:
                    continue  # it was forgotten meanwhile
                if gone(self):
                    return
                self._show(details, outlook, found)
        finally:
            self._reading = False

    def _clear(self) -> None:
        self.border_title = ""
        self.query_one(RunHead).show(None)
        self.query_one(Given).show({})
        self.query_one(Wall).show([])

    def _show(self, details: RunDetails, outlook: Outlook | None, found: Found) -> None:
        run = details.row.run
        self.border_title = escaped(f"{run.id}  {run.name}")
        self.border_subtitle = escaped("  ".join([*details.row.tags, details.dataset or ""]).strip())
        self.query_one(RunHead).show(details, outlook=outlook)
        self.query_one(Given).show(details.row.params)
        charts = [hang(title, drawn, found.less) for title, drawn in found.charts]
        kept = [chart for chart in charts if chart.curves]
        self.query_one(Wall).show(kept, growing=run.status == "running")


def _of(shed: Shed, run_id: int, asked: Asked) -> tuple[RunDetails, Outlook | None, Found]:
    from runners.actions import runs

    details = runs.details(shed, run_id)
    return details, outlooks(shed, [details.row.run]).get(run_id), read(shed, run_id, asked, most=MOST)
