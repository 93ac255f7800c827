"""One dataset version: its rows, columns, what changed, whether it is sound, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from screens import figures
from screens.acting import bindings
from screens.ink import Line, Span, escaped, joined, span
from screens.page import Page
from screens.paged import Paged
from screens.sections import Section
from screens.sections.dataset import Checks, Columns, Diff, Onward
from screens.sections.files import Files
from screens.sections.rows import RowsSection
from screens.widgets.painted import Painted
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Details
    from storage.errors import TrainshedError
    from storage.shed import Shed


class DatasetHead(Painted):
    """What a version is, in a line; what is damaged under it."""

    def __init__(self) -> None:
        super().__init__()
        self._details: Details | None = None

    def show(self, details: Details) -> None:
        """Draw this version."""
        self._details = details
        self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        found = self._details
        if found is None:
            return [[]]
        version = found.version
        kept = ", ".join(f"{how} {count:,}" if len(found.kept) > 1 else how for how, count in found.kept.items())
        parts: list[Line] = [
            [Span(counted(version.files, "file"))],
            [Span(counted(version.rows, "row") if version.rows is not None else "")],
            [Span(figures.size(version.bytes))],
            [span(kept, "dim")],
            [span(f"{figures.ago(version.created_at)} by {version.created_by}", "dim")],
            [span(version.note, "dim")] if version.note else [],
        ]
        lines: list[Line] = [joined([part for part in parts if any(each.text for each in part)], "   ")]
        lines += [[Span("✗ ", "failed"), span(fault, "failed")] for fault in found.damaged[:2]]
        return lines


class DatasetPage(Paged["Details"]):
    """A page over the list of datasets. `reference` is `flights@v2`."""

    PLACE = "dataset"
    VIEW = "data"
    CSS_PATH = ["styles/paged.tcss", "styles/dataset.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("dataset")]
    SECTIONS = (RowsSection, Columns, Diff, Checks, Files, Onward)

    def __init__(self, reference: str, part: str = "", sql: str | None = None) -> None:
        """`part` is where it opens; with `sql` the line for it is open."""
        super().__init__()
        self.reference = reference
        self._opens_on = part
        self._sql = sql

    def head(self) -> DatasetHead:
        return DatasetHead()

    def subject(self) -> str:
        return self.reference

    def read(self, shed: Shed) -> Details:
        from runners.actions import dataset_views

        if self.details is not None:
            return self.details  # a version never changes
        return dataset_views.details(shed, self.reference)

    def show_head(self, details: Details) -> None:
        head, parts = self.query_one("#head"), self.query_one("#parts")
        head.border_title = escaped(f"{details.dataset.name} v{details.version.number}")
        head.border_subtitle = counted(details.versions, "version")
        self.query_one(DatasetHead).show(details)
        if self.part != RowsSection.NAME:
            parts.border_title = parts.border_subtitle = ""

    def first_part(self, details: Details) -> str:
        there = [each.NAME for each in self.there()]
        usual = there[0] if details.dataset.kind == "table" else Files.NAME
        return self._opens_on if self._opens_on in there else usual

    def there(self) -> list[type[Section]]:
        table = self.details is not None and self.details.dataset.kind == "table"
        return [each for each in self.SECTIONS if table or each not in (RowsSection, Columns)]

    def show(self, answer: object) -> None:
        super().show(answer)  # type: ignore[arg-type]
        if self._sql is not None and self.part == RowsSection.NAME and self.query_one(RowsSection).question().browser:
            self._sql = None
            self.query_one(RowsSection).do_sql()

    def failed(self, err: TrainshedError) -> None:
        if "interrupted" not in err.message:
            super().failed(err)

    def why_not(self, name: str) -> str:
        names = {each.NAME for each in self.SECTIONS}
        if name in names and name not in {each.NAME for each in self.there()}:
            return "A dataset of files has no rows and columns."
        return super().why_not(name)

    def do_back(self) -> None:
        if not self.query_one(RowsSection).leave_line():
            super().do_back()

    def do_card(self) -> None:
        self.app.push_screen(Page(f"card of {self.reference}", lambda shed: _card(shed, self.reference), "data"))

    def do_copy(self) -> None:
        self.shell.copy(self.reference)


def _card(shed: Shed, reference: str) -> str:
    from runners.actions import dataset_views

    return dataset_views.card(shed, reference)[1]
