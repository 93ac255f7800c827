"""The code as it was frozen: what differed from the commit, and every file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from screens.ink import Line, Span, line, span
from screens.sections import Section
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from screens.run import Seen
    from storage.shed import Shed


@dataclass(frozen=True)
class Frozen:
    """The diff against the commit, and the names of the frozen files."""

    diff: list[str]
    files: list[str]
    skipped: list[str]


class Code(Section):
    """Commit, diff, files."""

    NAME, LETTER = "code", "d"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Lines()

    def answer(self, shed: Shed, run_id: int, question: None) -> Frozen:
        from runners.actions import run_files
        from storage.read import runs as read_runs

        snapshot = read_runs.run(shed, run_id).snapshot
        files, skipped = snapshot.get("files") or {}, snapshot.get("skipped") or []
        return Frozen(run_files.diff(shed, run_id), sorted(files), list(skipped))

    def show(self, details: Seen, answer: Frozen) -> None:
        from storage.tables import IMPORTED

        run = details.run.row.run
        lines: list[Line] = []
        if run.commit:
            lines.append(
                line(Span("commit  ", "dim"), span(run.commit), span(f"  on {run.branch}" if run.branch else ""))
            )
        if run.kind == IMPORTED:
            lines.append([Span("The run was imported: the code that it ran is not here.", "dim")])
            self.query_one(Lines).show(lines)
            return
        lines.append(line(Span("code    ", "dim"), span(run.code)))
        lines.append([])
        if answer.diff:
            lines += [[span(text.expandtabs(4), _role(text))] for text in answer.diff]
        elif run.commit and run.dirty:
            lines.append([Span("It differed from the commit; the project keeps no diff.", "dim")])
        elif run.commit:
            lines.append([Span("Exactly the commit: no diff.", "dim")])
        else:
            lines.append([Span("Not in git: the files below are what ran.", "dim")])
        lines += [[], [Span(f"{len(answer.files)} frozen files", "bold")]]
        lines += [[Span("  "), span(name)] for name in answer.files]
        if answer.skipped:
            lines += [[], [Span("left out", "bold")], *([Span("  "), span(name, "dim")] for name in answer.skipped)]
        self.query_one(Lines).show(lines)


def _role(text: str) -> str:
    if text.startswith(("+++", "---", "diff ", "index ")):
        return "bold"
    if text.startswith("@@"):
        return "accent"
    return "done" if text.startswith("+") else "failed" if text.startswith("-") else ""
