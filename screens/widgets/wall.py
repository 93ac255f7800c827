"""Charts side by side, as many in a row as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.containers import VerticalScroll

from screens.charts.plot import Shown
from screens.widgets.chart import Chart

NARROWEST = 36
LOWEST = 9


@dataclass(frozen=True)
class Hung:
    """A chart to be shown: its title, its curves, and what its x is."""

    title: str
    curves: Sequence[Shown]
    x_name: str = "step"


class Wall(VerticalScroll, can_focus=False):
    """Keeps a chart as long as its title is wanted: with its cursor, zoom and axes."""

    DEFAULT_CSS = """
    Wall { layout: grid; grid-gutter: 1 2; padding: 0 1; scrollbar-size-vertical: 1; }
    Wall Chart { height: 100%; }
    """

    def show(self, charts: Sequence[Hung], *, growing: bool = False) -> None:
        """Draw these, in this order."""
        there = {chart.picture.title: chart for chart in self.query(Chart)}
        wanted = [hung.title for hung in charts]
        for title, chart in there.items():
            if title not in wanted:
                chart.remove()
        for hung in charts:
            known = there.get(hung.title)
            if known is None:
                known = Chart(hung.title)
                self.mount(known)
            known.show(hung.curves, x_name=hung.x_name, growing=growing)
        self._lay_out(len(charts))

    def on_resize(self) -> None:
        self._lay_out(len(self.query(Chart)))

    def _lay_out(self, count: int) -> None:
        if not count or not self.size.width:
            return
        across = max(1, min(count, (self.size.width + 2) // (NARROWEST + 2)))
        rows = -(-count // across)
        if rows > 1 and count % across and -(-count // (across - 1 or 1)) == rows:
            across -= 1  # the same number of rows, with fewer gaps
        height = max(LOWEST, (self.size.height - (rows - 1)) // rows)
        self.styles.grid_size_columns = across
        self.styles.grid_rows = f"{height}"
