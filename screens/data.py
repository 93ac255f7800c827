"""2 Data: what do we have, what changed, is it sound?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import dataset_verbs, figures
from screens.acting import bindings
from screens.dataset import DatasetPage
from screens.ink import Line, Span, escaped, span
from screens.page import Page
from screens.view import View
from screens.widgets import columns as profiled
from screens.widgets.grid import Column, Grid, Row
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Details, Profiled
    from storage.shed import Shed
    from storage.tables import Dataset, DatasetVersion

SHOWN_VERSIONS = 30
QUICK_ROWS = 3_000_000  # a larger table is profiled only when somebody asks for it

EMPTY: list[Line] = [
    [],
    [Span("No datasets yet.", "bold")],
    [],
    [Span("A dataset is a name for files that grow,", "dim")],
    [Span("version by version, by their content.", "dim")],
    [],
    [Span("trainshed data add NAME 'data/*.csv'", "accent")],
]


@dataclass(frozen=True)
class Found:
    """All datasets with their versions, newest first; of the one under the cursor its parts, profiles and checks."""

    rows: list[tuple[Dataset, list[DatasetVersion]]]
    reference: str
    details: Details | None
    profiles: list[Profiled]
    checks: tuple[int, int]  # held, of


class Data(View[str, Found]):
    """Datasets on the left, the columns of one version on the right."""

    PLACE = "data"
    VIEW = "data"
    CSS_PATH = "styles/data.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("data")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._goal = ""  # a version that comes under the cursor once it has been read

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(classes="pane", id="list") as box:
                box.border_title = "datasets"
                yield Grid(id="datasets", header=False, empty=EMPTY, opens=True)
            with Vertical(classes="pane", id="detail"):
                yield Grid(id="columns", opens=True)

    def on_mount(self) -> None:
        self.query_one("#datasets", Grid).focus()

    def question(self) -> str:
        return self._goal or self._reference

    @property
    def _reference(self) -> str:
        """The version under the cursor; empty where there is none."""
        key = self.query_one("#datasets", Grid).key
        return str(key) if key is not None else ""

    def answer(self, shed: Shed, question: str) -> Found:
        from runners.actions import dataset_checks, dataset_views
        from storage.read import datasets as read_datasets

        rows = [(dataset, read_datasets.versions(shed, dataset.name)[::-1]) for dataset, _ in read_datasets.every(shed)]
        known = [f"{dataset.name}@v{version.number}" for dataset, versions in rows for version in versions]
        reference = question if question in known else (known[0] if known else "")
        if not reference:
            return Found(rows, "", None, [], (0, 0))
        details = dataset_views.details(shed, reference)
        profiles: list[Profiled] = []
        if details.dataset.kind == "table" and (details.version.rows or 0) <= QUICK_ROWS:
            profiles = dataset_views.profile(shed, reference)
        checks = dataset_checks.newest(shed, reference)
        return Found(rows, reference, details, profiles, (sum(bool(c.get("passed")) for c in checks), len(checks)))

    def show(self, answer: Found) -> None:
        self._found = answer
        grid = self.query_one("#datasets", Grid)
        columns = [Column("", grow=True, least=8, most=40), Column("", "r"), Column("", "r", rank=4)]
        grid.show([row for each in answer.rows for row in _rows(*each)], columns=columns)
        if answer.reference and grid.key != answer.reference:
            grid.move_to_key(answer.reference)
        if answer.reference == self._goal:
            self._goal = ""
        self._show_detail(answer)

    def _show_detail(self, found: Found) -> None:
        box, grid = self.query_one("#detail"), self.query_one("#columns", Grid)
        details = found.details
        if details is None:
            box.border_title = box.border_subtitle = ""
            grid.show([])
            return
        version = details.version
        held, of = found.checks
        facts = [counted(version.files, "file")]
        facts += [counted(version.rows, "row")] if version.rows is not None else []
        facts += [figures.size(version.bytes)]
        facts += [("✓" if held == of else "✗") + f" {held} of {of} checks"] if of else []
        box.border_title = escaped(f"{details.dataset.name} v{version.number}")
        box.border_subtitle = escaped(" · ".join(facts))
        if details.dataset.kind == "files":
            _show_classes(grid, details)
            return
        grid.empty = [
            [],
            [Span("This is a large table; ", "dim"), Span("enter", "accent"), Span(" looks into it.", "dim")],
        ]
        rows: list[Row] = []
        for each in found.profiles:
            if len(found.profiles) > 1:
                head: Line = [span(each.table, "bold"), Span(f"  {counted(each.profile.rows, 'row')}", "dim")]
                rows.append(Row((each.table, ""), (head,), plain=True))
            rows += [Row((each.table, row.key), row.cells) for row in profiled.rows_of(each.profile)]
        grid.show(rows, columns=profiled.columns())

    @on(Grid.Moved, "#datasets")
    def _moved(self) -> None:
        self.refetch()

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        self._open("" if event.grid.id == "datasets" else "columns")

    def _open(self, part: str = "", sql: str | None = None) -> None:
        if self._reference:
            self.app.push_screen(DatasetPage(self._reference, part, sql))

    def tick(self) -> None:
        if self._found is not None:
            self.show(self._found)

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "back":
            return "This is the view itself; q leaves."
        if name not in ("rows", "diff", "card", "sql", "origin", "verify", "export", "copy"):
            return super().why_not(name)
        details = self._found.details if self._found is not None else None
        if details is None:
            return "There is no dataset yet."
        if name in ("rows", "sql") and details.dataset.kind != "table":
            return "A dataset of files has no rows."
        return ""

    def do_rows(self) -> None:
        self._open("rows")

    def do_diff(self) -> None:
        self._open("diff")

    def do_sql(self) -> None:
        self._open("rows", sql="")

    def do_origin(self) -> None:
        self._open("onward")

    def do_card(self) -> None:
        reference = self._reference
        self.app.push_screen(Page(f"card of {reference}", lambda shed: _card(shed, reference), self.VIEW))

    def do_add(self) -> None:
        def added(reference: str) -> None:
            self._goal = reference

        dataset_verbs.add(self.shell, added)

    async def do_verify(self) -> None:
        await dataset_verbs.verify(self.shell, self._reference)

    def do_export(self) -> None:
        dataset_verbs.export(self.shell, self._reference)

    def do_copy(self) -> None:
        self.shell.copy(self._reference)


def _rows(dataset: Dataset, versions: list[DatasetVersion]) -> list[Row]:
    kind = Span(f"  {dataset.kind}", "faint")
    rows = [Row(("", dataset.name), ([span(dataset.name, "bold"), kind], [], []), plain=True)]
    for place, version in enumerate(versions[:SHOWN_VERSIONS]):
        told = counted(version.rows, "row") if version.rows is not None else counted(version.files, "file")
        cells: tuple[Line, ...] = (
            [Span(f"v{version.number}", "bold" if place == 0 else ""), Span("  newest" if place == 0 else "", "done")],
            [Span(told, "dim")],
            [Span(figures.ago(version.created_at), "dim")],
        )
        rows.append(Row(f"{dataset.name}@v{version.number}", cells))
    return rows


def _show_classes(grid: Grid, details: Details) -> None:
    most = max(details.classes.values(), default=1)
    rows = [
        Row(
            name,
            (
                [span(name or "no class")],
                [Span(f"{count:,}")],
                [Span("▆" * max(1, round(30 * count / most)), "curve0")],
            ),
        )
        for name, count in sorted(details.classes.items(), key=lambda item: -item[1])
    ]
    grid.empty = [[], [Span(f"{counted(details.version.files, 'file')} in no classes", "dim")]]
    grid.show(rows, columns=[Column("class", most=40), Column("files", "r"), Column("", grow=True, most=32)])


def _card(shed: Shed, reference: str) -> str:
    from runners.actions import dataset_views

    return dataset_views.card(shed, reference)[1]
