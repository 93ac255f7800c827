"""A chart: it follows new values, has a cursor that tells them, and zooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from screens.acting import Acting, bindings
from screens.charts.plot import Picture, Shown, drawn
from screens.charts.raster import column_of
from screens.ink import Line
from screens.widgets.painted import Painted

if TYPE_CHECKING:
    from runners.actions.curves import Along

WAYS: tuple[Along, ...] = ("step", "time", "epoch")
SMOOTHINGS = (0.0, 0.6, 0.9)
ZOOM = 2.0
NUDGE = 40  # how many presses take the cursor from one end to the other


class Chart(Acting, Painted, can_focus=True):
    """Curves that belong on one pair of axes. Its owner shows it new curves whenever there are any."""

    PLACE = "chart"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("chart")]
    DEFAULT_CSS = "Chart { height: 1fr; min-height: 6; }"

    @dataclass
    class Turned(Message):
        """It wants other points: another x axis, or a closer look."""

        chart: Chart

        @property
        def control(self) -> Chart:
            return self.chart

    def __init__(self, title: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.picture = Picture(title)
        self.along: Along = "step"

    @property
    def columns(self) -> int:
        """How many points across it can tell apart."""
        return max(16, 2 * self.size.width)

    def show(self, curves: Sequence[Shown], *, x_name: str | None = None, growing: bool = False) -> None:
        """Draw these; only what differs is sent."""
        self.picture.growing = growing
        self.picture.curves = list(curves)
        self.picture.x_name = x_name or self.along
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        return drawn(self.picture, width, height, ascii_only=self.shell.ascii_only)

    def on_focus(self) -> None:
        self.picture.focused = True
        self.repaint()

    def on_blur(self) -> None:
        self.picture.focused = False
        self.picture.cursor = None
        self.repaint()

    def on_resize(self) -> None:
        self.picture.x_axis = self.picture.y_axis = None

    def on_click(self, event: events.Click) -> None:
        axis = self.picture.x_axis
        if axis is None or not self.size.width:
            return
        margin = self.size.width - self._across
        self.picture.cursor = axis.value(max(0.0, min(1.0, (event.x - margin + 0.5) / self._across)))
        self.repaint()

    @property
    def _across(self) -> int:
        """The cells between the left axis and the right edge."""
        lines = self.paint(self.size.width, self.size.height)
        first = lines[1] if len(lines) > 1 else ()
        return max(1, self.size.width - (len(first[0].text) + 1 if first else 0))

    # -- actions

    def why_not(self, name: str) -> str:
        if name in ("left", "right", "zoom_in", "zoom_out", "log", "smooth") and not self.picture.curves:
            return "There is nothing on this chart yet."
        if name == "zoom_out" and self.picture.zoom is None:
            return "All of it is shown."
        return ""

    def do_left(self) -> None:
        self._nudge(-1)

    def do_right(self) -> None:
        self._nudge(1)

    def _nudge(self, by: int) -> None:
        axis = self.picture.x_axis
        xs = sorted({x for curve in self.picture.curves for x in curve.x})
        if axis is None or not xs:
            return
        cursor = self.picture.cursor
        if cursor is None:
            self.picture.cursor = xs[-1]
        else:
            columns = max(NUDGE, self.size.width)
            here = column_of(cursor, columns, axis)
            ahead = [x for x in (xs if by > 0 else reversed(xs)) if (column_of(x, columns, axis) - here) * by > 0]
            self.picture.cursor = ahead[0] if ahead else (xs[-1] if by > 0 else xs[0])
        self.repaint()

    def do_zoom_in(self) -> None:
        self._zoom(1 / ZOOM)

    def do_zoom_out(self) -> None:
        self._zoom(ZOOM)

    def _zoom(self, factor: float) -> None:
        axis = self.picture.x_axis
        if axis is None:
            return
        xs = [edge for curve in self.picture.curves if curve.x for edge in (curve.x[0], curve.x[-1])]
        low, high = self.picture.zoom or (axis.low, axis.high)
        middle = self.picture.cursor if self.picture.cursor is not None else (low + high) / 2
        half = (high - low) * factor / 2
        low, high = middle - half, middle + half
        whole = not xs or (factor > 1 and low <= min(xs) and high >= max(xs))
        self.picture.zoom = None if whole else (low, high)
        self.picture.x_axis = None
        self.post_message(self.Turned(self))
        self.repaint()

    def do_whole(self) -> None:
        self.picture.zoom = self.picture.cursor = self.picture.x_axis = None
        self.post_message(self.Turned(self))
        self.repaint()

    def do_log(self) -> None:
        self.picture.log = not self.picture.log
        self.picture.y_axis = None
        self.repaint()

    def do_smooth(self) -> None:
        place = SMOOTHINGS.index(self.picture.smoothing)
        self.picture.smoothing = SMOOTHINGS[(place + 1) % len(SMOOTHINGS)]
        self.repaint()

    def do_along(self) -> None:
        self.along = WAYS[(WAYS.index(self.along) + 1) % len(WAYS)]
        self.picture.zoom = self.picture.cursor = self.picture.x_axis = None
        self.post_message(self.Turned(self))
