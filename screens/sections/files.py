"""The files of a dataset: classes with their counts, and a preview of images."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult

from screens import figures
from screens.ink import Line, Span, span
from screens.preview import Preview
from screens.sections import Section
from screens.threads import beside
from screens.widgets.grid import Column, Grid, Row
from storage.errors import TrainshedError

if TYPE_CHECKING:
    from runners.actions.dataset_views import Details
    from runners.actions.images import Picture
    from storage.shed import Shed

MOST_FILES = 2000
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
MARGIN = 12, 10  # cells of the screen, across and down, that a picture leaves free


class Files(Section):
    """Every file; of images and the like the classes first, with their counts."""

    NAME, LETTER = "files", "f"

    def __init__(self) -> None:
        super().__init__(classes="section")
        self._reference = ""

    def compose(self) -> ComposeResult:
        yield Grid(opens=True)

    def answer(self, shed: Shed, subject: str, question: None) -> None:
        return None

    def show(self, details: Details, answer: None) -> None:
        self._reference = f"{details.dataset.name}@v{details.version.number}"
        self.query_one(Grid).show(_file_rows(details), columns=_file_columns(details))

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        kind, name = event.key if isinstance(event.key, tuple) else ("", "")
        if kind == "file" and PurePosixPath(name).suffix.lower() in IMAGES:
            self.run_worker(self._show_picture(name), group="picture", exclusive=True)
        else:
            self.shell.say("Only images have a preview.", "warning")

    async def _show_picture(self, path: str) -> None:
        shed, reference, (width, height) = self.shell.shed, self._reference, self.app.size
        if shed is None:
            return
        room = max(8, width - MARGIN[0]), max(4, 2 * (height - MARGIN[1]))
        try:
            found = await beside(lambda: _picture(shed, reference, path, room))
        except TrainshedError as err:
            self.shell.tell(err)
            return
        shades = self.shell.no_color or self.shell.ascii_only
        self.app.push_screen(Preview(PurePosixPath(path).name, *found, shades=shades))


def _file_columns(details: Details) -> list[Column]:
    return [
        Column("file" if details.dataset.kind == "table" else "class and file", grow=True, least=20, most=90),
        Column("rows" if details.dataset.kind == "table" else "", "r"),
        Column("size", "r"),
        Column("blake3", rank=2, role="dim"),
    ]


def _file_rows(details: Details) -> list[Row]:
    rows: list[Row] = []
    most = max(details.classes.values(), default=0)
    by_class: dict[str, list[Any]] = {}
    for entry in details.files:
        by_class.setdefault(PurePosixPath(entry.path).parent.name if details.classes else "", []).append(entry)
    for name in sorted(by_class, key=lambda each: -details.classes.get(each, 0)):
        if details.classes:
            count = details.classes.get(name, len(by_class[name]))
            bar = Span("▆" * max(1, round(20 * count / most)) if most else "", "curve0")
            head: Line = [span(name or "no class", "bold"), Span("  "), bar]
            rows.append(Row(("class", name), (head, [Span(f"{count:,}", "bold")], [], [])))
        for entry in by_class[name][: max(1, MOST_FILES // len(by_class))]:
            path = PurePosixPath(entry.path).name if details.classes else entry.path
            cells: tuple[Line, ...] = (
                [Span("  " if details.classes else ""), span(path)],
                [Span(f"{entry.rows:,}" if entry.rows is not None else "", "dim")],
                [Span(figures.size(entry.size), "dim")],
                [Span(entry.blake3[:12])],
            )
            rows.append(Row(("file", entry.path), cells))
    return rows


def _picture(shed: Shed, reference: str, path: str, room: tuple[int, int]) -> tuple[Picture, Path]:
    from runners.actions import images

    content = images.content(shed, reference, path)
    return images.picture(content, path, *room), content
