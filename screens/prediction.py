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
from screens.ink import Line, Span, escaped, joined, line, padded, span, wrapped
from screens.predicted import predicted, value_text
from screens.view import View
from screens.widgets.grid import Grid
from screens.widgets.lineage import columns, rows_of
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.explaining import Explanation
    from runners.actions.lineage import Lineage
    from runners.actions.predictions import Prediction
    from storage.shed import Shed


LABEL = 22
VALUE = 12
WITH_ERRORS = 74  # cells, from which on the error of each contribution stands behind it


@dataclass(frozen=True)
class Found:
    """Where the prediction came from, and why it is what it is; where that cannot be told, why not."""

    lineage: Lineage
    explained: Explanation | None
    why_not: str = ""


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
        self._found: Found | None = None

    def body(self) -> ComposeResult:
        each = self.prediction
        with Container(classes="pane", id="told") as box:
            box.border_title = escaped(f"{each.model} v{each.version} said")
            box.border_subtitle = escaped(each.id)
            yield Lines(id="answer")
        with Horizontal(classes="panes"):
            with Vertical(classes="pane", id="why") as box:
                box.border_title = "why"
                yield Lines(id="inputs")
            with Vertical(classes="pane", id="origin") as box:
                box.border_title = "where it came from"
                yield Grid(id="lineage", header=False, opens=True)

    def on_mount(self) -> None:
        self.query_one("#answer").can_focus = False
        self.query_one("#answer", Lines).show([self._answer_line()])
        self.query_one("#inputs", Lines).flow(self._why)
        self.query_one("#lineage" if self._origin else "#inputs").focus()
        self.set_class(self._origin, "-origin")

    def question(self) -> None:
        return None

    def answer(self, shed: Shed, question: None) -> Found:
        if self._found is not None:
            return self._found  # what was answered does not change any more
        from runners.actions import explaining, lineage
        from storage.errors import TrainshedError

        each = self.prediction
        model = f"{each.model}@v{each.version}"
        try:
            walked = lineage.trace(shed, each.id)
        except TrainshedError:
            walked = lineage.trace(shed, f"model:{model}")  # the log has it no more
        try:
            return Found(walked, explaining.explain(shed, model, each.inputs))
        except TrainshedError as err:
            return Found(walked, None, err.message)

    def show(self, answer: Found) -> None:
        self._found = answer
        self.query_one("#lineage", Grid).show(rows_of(answer.lineage), columns=columns())
        self.query_one("#inputs", Lines).flow(self._why)

    def _answer_line(self) -> Line:
        each = self.prediction
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at))
        truth = [Span("in truth ", "dim"), span(value_text(each.truth), "bold")] if each.truth is not None else []
        facts = span(f"{at}  in {figures.number(each.ms)} ms by /{each.route}  digest {each.digest[:12]}", "dim")
        return joined([predicted(each), truth, [facts]], "   ")

    def _why(self, width: int) -> list[Line]:
        """Each column with what it added to the prediction, the most first; the inputs alone before that is known."""
        found = self._found
        if found is None or found.explained is None:
            told = f"why cannot be told: {found.why_not}" if found is not None else "looking why …"
            return [*wrapped(told, width, "dim"), [], *self._inputs()]
        explained = found.explained
        top = max((abs(each.contribution) for each in explained.columns), default=0.0) or 1.0
        figures_wide = 20 if width > WITH_ERRORS else 12
        half = max(4, min(16, (width - LABEL - VALUE - figures_wide) // 2))
        lines: list[Line] = [
            joined([[span(explained.of, "bold")], [Span(f"{explained.base:.4f} on average", "dim")]]),
            [Span(f"{explained.prediction:.4f} here; what each column added, ± its error", "dim")],
            [],
        ]
        for each in explained.columns:
            size = round(abs(each.contribution) / top * half)
            less, more = ("━" * size if each.contribution < 0 else ""), ("━" * size if each.contribution > 0 else "")
            lines.append(
                line(
                    *padded([span(each.column, "dim")], LABEL),
                    *padded([span(value_text(each.value), "bold")], VALUE, "r"),
                    Span(" " + less.rjust(half), "running"),
                    Span("│", "faint"),
                    Span(more.ljust(half), "attention"),
                    Span(f" {each.contribution:+.4f}"),
                    Span(f" ±{each.standard_error:.4f}" if width > WITH_ERRORS else "", "faint"),
                )
            )
        return lines

    def _inputs(self) -> list[Line]:
        return [
            line(*padded([span(name, "dim")], LABEL), Span("  "), span(value_text(value)))
            for name, value in self.prediction.inputs.items()
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
