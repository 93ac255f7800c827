"""The parts of a dataset's page but its rows and files: columns, diff, checks, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from screens.glyphs import glyph
from screens.ink import Line, Span, line, padded, span, wrapped
from screens.profiling import briefly
from screens.sections import Section
from screens.widgets import columns as profiled
from screens.widgets import lineage
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.lines import Lines
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Details, Difference, Profiled
    from runners.actions.lineage import Lineage
    from storage.shed import Shed

SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": "→", "type changed": "~", "likely renamed": "→"}
ROLES = {"added": "done", "removed": "failed", "changed": "attention", "type changed": "attention"}
MOST_CHANGES = 2000  # files of a diff that are listed
SHIFTS = {"none": "dim", "moderate": "attention", "large": "failed bold"}


class Columns(Section):
    """A profile of each table, and all of the column under the cursor beside it."""

    NAME, LETTER = "columns", "c"

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._profiles: list[Profiled] = []

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Grid(empty=[[], [Span("A dataset of files has no columns.", "dim")]])
            yield Lines(classes="aside")

    def question(self) -> bool:
        return not self._profiles

    def answer(self, shed: Shed, subject: str, question: bool) -> list[Profiled]:
        from runners.actions import dataset_views

        if not question:
            return self._profiles  # a version never changes
        if dataset_views.details(shed, subject).dataset.kind != "table":
            return []
        return dataset_views.profile(shed, subject)

    def show(self, details: Details, answer: list[Profiled]) -> None:
        self._profiles = answer
        rows: list[Row] = []
        for each in answer:
            if len(answer) > 1:
                title: Line = [span(each.table, "bold"), Span(f"  {counted(each.profile.rows, 'row')}", "dim")]
                rows.append(Row((each.table, ""), (title,), plain=True))
            rows += [Row((each.table, row.key), row.cells) for row in profiled.rows_of(each.profile)]
        self.query_one(Grid).show(rows, columns=profiled.columns())
        self._show_one()

    @on(Grid.Moved)
    def _show_one(self) -> None:
        key = self.query_one(Grid).key
        for each in self._profiles:
            column = each.profile.column(str(key[1])) if isinstance(key, tuple) and key[0] == each.table else None
            if column is not None:
                lines = self.query_one(Lines)
                rows = each.profile.rows
                lines.flow(lambda width, c=column, r=rows: [[span(c.name, "bold")], [], *profiled.one(c, r, width)])  # type: ignore[misc]


class Diff(Section):
    """What changed since the version before, what moved most first."""

    NAME, LETTER = "diff", "d"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Lines()

    def answer(self, shed: Shed, subject: str, question: None) -> Difference | None:
        from runners.actions import dataset_views, datasets

        dataset, version = datasets.resolve(shed, subject)
        return dataset_views.diff(shed, dataset.name, new=version.number) if version.number > 1 else None

    def show(self, details: Details, answer: Difference | None) -> None:
        self.query_one(Lines).flow(lambda width: _diff(answer, width))


def _diff(found: Difference | None, width: int) -> list[Line]:
    if found is None:
        return [
            [Span("This is the first version.", "bold")],
            [],
            [Span("When files change, the next run or `trainshed data add` makes another.", "dim")],
        ]
    compared = found.compared
    lines: list[Line] = [line(Span(f"v{found.old.number} → v{found.new.number}", "bold"))]
    lines += [[Span("  "), *part] for each in compared.sentences for part in wrapped(each, width - 2)]
    if compared.unread:
        lines += wrapped(f"values were not compared: {compared.unread}", width, "attention")
    for table, shifts in compared.shifts.items():
        if not shifts:
            continue
        lines += [[], [Span(f"values of {table}, those that moved most first", "bold")]]
        lines.append(line(Span("    psi    column                  nulls               mean", "dim")))
        for shift in shifts:
            nulls = f"{shift.nulls[0] * 100:.1f} → {shift.nulls[1] * 100:.1f} %"
            means = " → ".join(briefly(*shift.mean)) if None not in shift.mean else ""
            told = padded([Span(f"{shift.psi:.3f}", SHIFTS[shift.size])], 9, "r")
            told += [Span("  "), *padded([span(shift.column)], 22), Span("  "), *padded([Span(nulls, "dim")], 18)]
            lines.append([*told, Span("  "), span(means, "dim")])
    if compared.diff.columns:
        lines += [[], [Span("columns", "bold")]]
        lines += [
            line(
                Span(f"  {SIGNS.get(c.change, '~')} ", ROLES.get(c.change, "accent")),
                span(c.name),
                span(f"  {c.before} → {c.after}", "dim"),
            )
            for c in compared.diff.columns
        ]
    if compared.diff.files:
        lines += [[], [Span("files", "bold"), Span(f"  {compared.diff.unchanged_files:,} unchanged", "dim")]]
        lines += [
            line(
                Span(f"  {SIGNS.get(f.change, '~')} ", ROLES.get(f.change, "accent")),
                span(f"{f.before} → {f.after}" if f.change == "renamed" else f.after or f.before or ""),
                Span(f"  {f.rows:+,} rows" if f.rows else "", "dim"),
            )
            for f in compared.diff.files[:MOST_CHANGES]
        ]
    return lines


class Checks(Section):
    """What the newest run that validated this version found."""

    NAME, LETTER = "checks", "h"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid(
            empty=[
                [],
                [Span("No run has validated this version yet.", "bold")],
                [],
                [Span("[checks] in trainshed.toml says what must hold; ", "dim"), Span("trainshed --batch", "accent")],
            ]
        )

    def answer(self, shed: Shed, subject: str, question: None) -> list[dict[str, Any]]:
        from runners.actions import dataset_checks

        return dataset_checks.newest(shed, subject)

    def show(self, details: Details, answer: list[dict[str, Any]]) -> None:
        rows = []
        for place, check in enumerate(sorted(answer, key=lambda each: bool(each.get("passed")))):
            held, stops = bool(check.get("passed")), check.get("on_fail") == "stop"
            cells: tuple[Line, ...] = (
                [glyph("done" if held else "failed" if stops else "waiting")],
                [span(check.get("name", ""), "" if held else "bold")],
                [span(check.get("on_fail", ""), "dim")],
                [Span(f"{check['count']:,}" if check.get("count") else "", "failed" if stops else "attention")],
                [span(check.get("text", ""), "dim")],
            )
            rows.append(Row(place, cells))
        columns = [
            Column("", width=1),
            Column("check", grow=True, least=16, most=60),
            Column("", rank=3),
            Column("rows", "r"),
            Column("", rank=2, most=80),
        ]
        self.query_one(Grid).show(rows, columns=columns)


class Onward(Section):
    """Where it came from, and what came of it."""

    NAME, LETTER = "onward", "o"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Grid(header=False, opens=True)

    def answer(self, shed: Shed, subject: str, question: None) -> Lineage:
        from runners.actions.lineage import trace

        return trace(shed, f"dataset:{subject}")

    def show(self, details: Details, answer: Lineage) -> None:
        self.query_one(Grid).show(lineage.rows_of(answer), columns=lineage.columns())

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        if isinstance(event.key, tuple) and event.key[0]:
            self.shell.open_thing(str(event.key[0]))
