"""A drawing of many runs at once: one metric, a param against a metric, or everything."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from screens.acting import Acting
from screens.charts.parallel import Dimension, parallel, scatter
from screens.charts.side_by_side import side_by_side
from screens.ink import Line, Span
from screens.widgets.painted import Painted


class Drawing(Acting, Painted):
    """Dots or lines, one a run; its owner says of what."""

    DEFAULT_CSS = "Drawing { height: 1fr; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__(id="drawing")
        self._kind = ""
        self._dimensions: list[Dimension] = []
        self._roles: list[str] = []
        self._names: list[str] = []
        self._best: Collection[int] = ()

    def show(self, kind: str, dimensions: Sequence[Dimension], roles: Sequence[str]) -> None:
        """Draw these; a scatter takes the first two."""
        self._kind, self._dimensions, self._roles = kind, list(dimensions), list(roles)
        self.repaint()

    def show_metric(self, metric: Dimension, names: Sequence[str], roles: Sequence[str], best: Collection[int]) -> None:
        """Draw one metric; `best` are the places of its best values."""
        self._names, self._best = list(names), best
        self.show("metric", [metric], roles)

    def paint(self, width: int, height: int) -> Sequence[Line]:
        ascii_only = self.shell.ascii_only
        if self._kind == "metric":
            return side_by_side(self._dimensions[0], self._names, self._roles, self._best, width, height)
        if self._kind == "scatter" and len(self._dimensions) > 1:
            one, other, *_ = self._dimensions
            return scatter(one, other, self._roles, width, height, ascii_only=ascii_only)
        if self._kind == "parallel" and len(self._dimensions) > 1:
            return parallel(self._dimensions, self._roles, width, height, ascii_only=ascii_only)
        return [[Span("These runs have no numbers in which they differ.", "faint")]]
