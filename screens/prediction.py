"""One prediction: what was asked, what each column contributed, and where it came from, down to the files."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.cells import json_value
from screens.ink import Line, Span, escaped, joined, line, padded, span
from screens.predicted import predicted, value_text
from screens.view import View
from screens.widgets.grid import Grid
from screens.widgets.lineage import columns, rows_of
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.lineage import Lineage
    from runners.actions.predictions import Prediction
    from storage.shed import Shed


@dataclass(frozen=True)
class Found:
    """Where the prediction came from."""

    lineage: Lineage


class PredictionPage(View[None, Found]):
    """A page over Serving; `esc` goes back to it."""

    PLACE = "prediction"
    VIEW = "serving"
    CSS_PATH = "styles/serving.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("prediction")]

    def __init__(self, endpoint: str, prediction: Prediction, *, origin: bool = False) -> None:
        """With `origin` it opens on where the prediction came from."""
        super().__init__()
        self._endpoint, self.prediction, self._origin = endpoint, prediction, origin

    def body(self) -> ComposeResult:
        each = self.prediction
        with Container(classes="pane", id="told") as box:
            box.border_title = escaped(f"{each.model} v{each.version} said")
            box.border_subtitle = escaped(each.id)
            yield Lines(id="answer")
        with Horizontal(classes="panes"):
            with Vertical(classes="pane", id="why") as box:
                box.border_title = "what it was asked"
                yield Lines(id="inputs")
            with Vertical(classes="pane", id="origin") as box:
                box.border_title = "where it came from"
                yield Grid(id="lineage", header=False, opens=True)

    def on_mount(self) -> None:
        self.query_one("#answer").can_focus = False
        self.query_one("#answer", Lines).show([self._answer_line()])
        self.query_one("#inputs", Lines).flow(self._inputs)
        self.query_one("#lineage" if self._origin else "#inputs").focus()
        self.set_class(self._origin, "-origin")

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Found:
        from runners.actions import lineage

        return Found(lineage.trace(shed, f"model:{self.prediction.model}@v{self.prediction.version}"))

    def show(self, answer: Found) -> None:
        self.query_one("#lineage", Grid).show(rows_of(answer.lineage), columns=columns())

    def _answer_line(self) -> Line:
        each = self.prediction
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at))
        truth = [Span("in truth ", "dim"), span(value_text(each.truth), "bold")] if each.truth is not None else []
        facts = span(f"{at}  in {figures.number(each.ms)} ms by /{each.route}  digest {each.digest[:12]}", "dim")
        return joined([predicted(each), truth, [facts]], "   ")

    def _inputs(self, width: int) -> list[Line]:
        inputs = self.prediction.inputs
        label = min(max((len(name) for name in inputs), default=0), max(8, width // 2))
        return [
            line(*padded([span(name, "dim")], label), Span("  "), span(value_text(v))) for name, v in inputs.items()
        ]

    @on(Grid.Chosen, "#lineage")
    def _chosen(self, event: Grid.Chosen) -> None:
        reference = event.key[0] if isinstance(event.key, tuple) else ""
        if reference:
            self.shell.open_thing(str(reference))

    def do_next(self) -> None:
        self.do_walk_back()

    def do_walk_back(self) -> None:
        self.set_class(not self.has_class("-origin"), "-origin")
        self.query_one("#lineage" if self.has_class("-origin") else "#inputs").focus()

    def do_copy(self) -> None:
        each = self.prediction
        told = {"id": each.id, "row": each.row, "inputs": each.inputs, "output": each.output}
        self.shell.copy(json.dumps(json_value(told), ensure_ascii=False))
