"""What a run saved: artifacts, model versions, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens import figures
from screens.ink import Line, Span, span
from screens.sections import Section
from screens.widgets.grid import Column, Grid, Row

if TYPE_CHECKING:
    from screens.run import Seen
    from storage.shed import Shed


class Artifacts(Section):
    """A line a file."""

    NAME, LETTER = "artifacts", "a"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid()

    def answer(self, shed: Shed, run_id: int, question: None) -> list[tuple[str, int]]:
        """Checkpoints and the other files in the run's directory: name and bytes."""
        from runners.actions import run_files

        return run_files.kept(shed, run_id)

    def show(self, details: Seen, answer: list[tuple[str, int]]) -> None:
        rows = [
            Row(("model", name), ([Span("model", "accent")], [span(name, "bold")], [], []), plain=False)
            for name in details.run.models
        ]
        for artifact in details.run.artifacts:
            cells: tuple[Line, ...] = (
                [Span("artifact")],
                [span(artifact.name)],
                [Span(figures.size(artifact.bytes))],
                [span(artifact.digest[:12], "dim")],
            )
            rows.append(Row(("artifact", artifact.name), cells))
        for name, size in answer:
            rows.append(
                Row(("file", name), ([Span("file", "dim")], [span(name, "dim")], [Span(figures.size(size), "dim")], []))
            )
        columns = [
            Column("", width=8),
            Column("name", grow=True, most=80),
            Column("size", "r"),
            Column("digest", rank=2),
        ]
        self.query_one(Grid).show(rows, columns=columns)
