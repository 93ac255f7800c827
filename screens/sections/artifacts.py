"""What a run saved: artifacts, model versions, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult

from screens import figures
from screens.dialogs import Reading
from screens.ink import Line, Span, span
from screens.sections import Section
from screens.threads import beside
from screens.widgets.grid import Column, Grid, Row
from storage.errors import UsageError

if TYPE_CHECKING:
    from screens.run import Seen
    from storage.shed import Shed


class Artifacts(Section):
    """A line a file."""

    NAME, LETTER = "artifacts", "a"

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._run_id = 0

    def compose(self) -> ComposeResult:
        yield Grid(
            opens=True,
            empty=[
                [],
                [Span("It has saved nothing yet.", "bold")],
                [],
                [Span("What the run saves stands here, its checkpoints and its model version.", "dim")],
            ],
        )

    @on(Grid.Chosen)
    async def _chosen(self, event: Grid.Chosen) -> None:
        """A model version leads to its evidence; a file that is text is shown."""
        shed, run_id = self.shell.shed, self._run_id
        if not isinstance(event.key, tuple) or shed is None:
            return
        kind, name = map(str, event.key)
        if kind == "model":
            self.shell.open_thing(name)
            return
        try:
            lines = await beside(lambda: _text(shed, run_id, kind, name))
        except UsageError as err:
            self.shell.tell(err)
            return
        self.app.push_screen(Reading(name, lambda width: [[span(text)] for text in lines]))

    def answer(self, shed: Shed, run_id: int, question: None) -> list[tuple[str, int]]:
        """Checkpoints and the other files in the run's directory: name and bytes."""
        from runners.actions import run_files

        return run_files.kept(shed, run_id)

    def show(self, details: Seen, answer: list[tuple[str, int]]) -> None:
        self._run_id = details.run.row.run.id or 0
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


def _text(shed: Shed, run_id: int, kind: str, name: str) -> list[str]:
    from runners.actions import run_files

    return run_files.text(shed, run_id, kind, name)
