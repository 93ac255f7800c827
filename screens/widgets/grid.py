"""A table of any length: it is handed a window of its rows, shows what of it is in view, and asks for more."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.acting import Acting, bindings
from screens.ink import Line, Span, joined, padded, span, width_of
from screens.widgets.painted import strip_of

GAP = 2
MARGIN = 1  # cells left and right of a line
SPARE = 3  # the rank of columns that go before words are cut
WINDOW = 500  # rows that are kept at most
AHEAD = 50  # rows beyond the view that are asked for with it


@dataclass(frozen=True)
class Column:
    """A column. `width` fixes it; else it is as wide as its widest cell, between `least` and `most`.

    Columns with `grow` share what is left over; those of the lowest `rank` go first where the room is short. One that
    grows gives way first, down to `wants`; below it only when every column of rank `SPARE` or less is gone.
    """

    title: str
    align: str = "l"
    width: int | None = None
    least: int = 0
    wants: int = 0
    most: int = 40
    grow: bool = False
    rank: int = 9
    role: str = ""
    head: str = "dim"  # the role of the title


@dataclass(frozen=True)
class Row:
    """One line. Its key stays the same however the rows are sorted. One that is `whole` runs across all columns."""

    key: Hashable
    cells: tuple[Line, ...]
    marked: bool = False
    plain: bool = field(default=False, compare=False)  # a heading within the list: the cursor passes over it
    whole: bool = field(default=False, compare=False)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many cells of the terminal each of its cells takes."""
        return tuple(width_of(cell) for cell in self.cells)


class Grid(Acting, ScrollView, can_focus=True):
    """Rows under a header; a cursor that stays on its row when rows come or go around it."""

    PLACE = "list"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("list")]

    @dataclass
    class Moved(Message):
        """The cursor is on another row."""

        grid: Grid
        key: Hashable

        @property
        def control(self) -> Grid:
            return self.grid

    @dataclass
    class Chosen(Message):
        """Enter, or a click on the row under the cursor."""

        grid: Grid
        key: Hashable

        @property
        def control(self) -> Grid:
            return self.grid

    @dataclass
    class Aside(Message):
        """The cursor is on another column."""

        grid: Grid
        column: int

        @property
        def control(self) -> Grid:
            return self.grid

    @dataclass
    class Wanted(Message):
        """Rows come into view that are not in the window."""

        grid: Grid
        first: int
        count: int

        @property
        def control(self) -> Grid:
            return self.grid

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        id: str | None = None,
        classes: str | None = None,
        header: bool = True,
        empty: Sequence[Line] = (),
        scrolls_columns: bool = False,
        opens: bool = False,
    ) -> None:
        """With `opens` enter on a line leads somewhere."""
        super().__init__(id=id, classes=classes)
        self.columns = list(columns)
        self.total = 0
        self.cursor = 0
        self.empty = list(empty)
        self._header = header
        self._scrolls_columns = scrolls_columns
        self._opens = opens
        self.column = 0  # under the cursor, where columns scroll
        self._first_column = 0
        self._first = 0
        self._rows: list[Row] = []
        self._widths: list[int] = []
        self._natural: list[int] = []
        self._shown: dict[int, Strip] = {}
        self._made: dict[int, tuple[object, Strip]] = {}  # lines of rows, each with all that it was made of
        self._loaded = False
        self._asked: tuple[int, int] | None = None

    # -- what is shown

    def show(
        self, rows: Sequence[Row], *, total: int | None = None, first: int = 0, columns: Sequence[Column] | None = None
    ) -> None:
        """Take a window of the rows: `rows` begin at place `first` of `total`. Only lines that differ are drawn."""
        key = self.key
        self._loaded, self._asked = True, None
        if columns is not None and self.columns != list(columns):
            self.columns = list(columns)
            self._made.clear()
        self._rows, self._first = list(rows), first
        self.total = len(rows) if total is None else total
        at = next((first + i for i, row in enumerate(self._rows) if row.key == key), None) if key is not None else None
        self.cursor = max(0, min(self.cursor if at is None else at, self.total - 1))
        self._skip_plain(1)
        height = (self.total or len(self.empty)) + self._head
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.size.width, height)
            self._refresh_scrollbars()
            if self.styles.height is not None and self.styles.height.is_auto:
                self.refresh(layout=True)
        self._measure()
        self._keep_in_view()
        self._refresh_changed()
        if self.key != key:
            self._tell_moved()

    def forget(self) -> None:
        """Draw everything again: the theme is another one."""
        self._shown.clear()
        self._made.clear()
        self.refresh()

    @property
    def key(self) -> Hashable:
        """The row under the cursor; None where there is none."""
        row = self.row_at(self.cursor)
        return row.key if row is not None else None

    def row_at(self, place: int) -> Row | None:
        index = place - self._first
        return self._rows[index] if 0 <= index < len(self._rows) else None

    @property
    def view(self) -> tuple[int, int]:
        """The first place in view, and how many fit."""
        return round(self.scroll_y), max(1, self.size.height - self._head)

    @property
    def _head(self) -> int:
        return 1 if self._header else 0

    # -- the cursor

    def move_to(self, place: int) -> None:
        """Put the cursor on the row at this place."""
        place = max(0, min(place, self.total - 1))
        if place == self.cursor:
            return
        step, self.cursor = (1 if place > self.cursor else -1), place
        self._skip_plain(step)
        self._keep_in_view()
        self._refresh_changed()
        self._tell_moved()

    def move_to_key(self, key: Hashable) -> bool:
        """Put the cursor on a row of the window. Returns whether it is there."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self.move_to(self._first + index)
                return True
        return False

    def _skip_plain(self, step: int) -> None:
        place = self.cursor
        while (row := self.row_at(place)) is not None and row.plain:
            place += step
        if self.row_at(place) is None:  # none further on: the last one on the way back
            place = self.cursor
            while (row := self.row_at(place)) is not None and row.plain:
                place -= step
        if self.row_at(place) is not None:
            self.cursor = place

    def _tell_moved(self) -> None:
        self.post_message(self.Moved(self, self.key))

    def do_down(self) -> None:
        self.move_to(self.cursor + 1)

    def do_up(self) -> None:
        self.move_to(self.cursor - 1)

    def do_page_down(self) -> None:
        self.move_to(self.cursor + self.view[1])

    def do_page_up(self) -> None:
        self.move_to(self.cursor - self.view[1])

    def do_first(self) -> None:
        self.move_to(0)

    def do_last(self) -> None:
        self.move_to(self.total - 1)

    def do_left(self) -> None:
        self._to_column(self.column - 1)

    def do_right(self) -> None:
        self._to_column(self.column + 1)

    def do_choose(self) -> None:
        self.post_message(self.Chosen(self, self.key))

    def why_not(self, name: str) -> str:
        if name in ("left", "right") and not self._scrolls_columns:
            return "All columns are in view."
        if name == "choose" and not self._opens:
            return "There is nothing behind these lines."
        if name == "choose" and self.key is None:
            return "There is no line to open."
        return ""

    def _to_column(self, place: int) -> None:
        """Put the cursor on a column and bring it into view; the first one always stays there."""
        self.column = max(0, min(place, len(self.columns) - 1))
        if self.column <= self._first_column:
            self._first_column = max(0, self.column - 1)
        self._measure()
        while self.column < len(self.columns) and not self._whole(self.column) and self._first_column < self.column - 1:
            self._first_column += 1
            self._measure()
        self._shown.clear()
        self.refresh()
        self.post_message(self.Aside(self, self.column))

    def _whole(self, place: int) -> bool:
        """Whether a column is in view with its full width."""
        return place < len(self._widths) and self._widths[place] >= self._natural[place] > 0

    # -- drawing

    def render_line(self, y: int) -> Strip:
        strip = self._strip(y, self.rich_style)
        self._shown[y] = strip
        return strip

    def _refresh_changed(self) -> None:
        """Draw the lines in view again that differ."""
        if not self.is_mounted:
            return
        if not self._shown:  # what was drawn is not known any more, as after a change of size
            self.refresh()
            return
        regions, base = [], self.rich_style
        for y in range(self.size.height):
            strip = self._strip(y, base)
            if self._shown.get(y) != strip:
                self._shown[y] = strip
                regions.append(Region(0, y, self.size.width, 1))
        if regions:
            self.refresh(*regions)

    def _strip(self, y: int, base: Style) -> Strip:
        from screens.shell import shell_of

        shell = shell_of(self)
        width = self.size.width
        if self._header and y == 0:
            return strip_of(self._header_line(), width, base, shell.inks, ascii_only=shell.ascii_only)
        if self.total == 0 and self._loaded:
            at = y - self._head
            told = self.empty[at] if at < len(self.empty) else ()
            return strip_of([Span(" " * MARGIN), *told], width, base, shell.inks, ascii_only=shell.ascii_only)
        place = y - self._head + round(self.scroll_y)
        row = self.row_at(place)
        if row is None:
            if place < self.total:
                self._want(place)
            return Strip.blank(width, base)
        style = base
        if place == self.cursor and not row.plain:
            style = base + (shell.inks.cursor if self.has_focus or self.has_class("-steady") else Style())
        at_cursor, focus = place == self.cursor, self.has_focus
        made_of = (row, row.plain, row.whole, at_cursor, focus, style, width, self._first_column)
        known = self._made.get(y)
        if known is not None and known[0] == made_of:
            return known[1]
        strip = strip_of(self._row_line(row, place), width, style, shell.inks, ascii_only=shell.ascii_only)
        self._made[y] = made_of, strip
        return strip

    def _header_line(self) -> list[Span]:
        here = self.column if self._scrolls_columns and self.has_focus else -1
        titles = []
        for place, column in enumerate(self.columns):
            role = column.head
            if place == here:
                role = ("accent" if role == "dim" else role) + " bold underline"
            titles.append([span(column.title, role)])
        return self._laid_out(titles)

    def _row_line(self, row: Row, place: int) -> list[Span]:
        if row.plain or row.whole:
            told = [Span(" " * MARGIN), *joined(row.cells)]
        else:
            told = self._laid_out([self._inked(column, cell) for column, cell in self._cells(row)])
        if row.plain:
            return told
        if row.marked:
            told = [Span("▌", "accent"), *_without_first(told)]
        elif place == self.cursor:
            told = [Span("▸" if self.has_focus else " ", "accent"), *_without_first(told)]
        return told

    def _cells(self, row: Row) -> list[tuple[Column, Line]]:
        return list(zip(self.columns, row.cells, strict=False))

    @staticmethod
    def _inked(column: Column, cell: Line) -> Line:
        if not column.role:
            return cell
        return [Span(part.text, part.role or column.role) for part in cell]

    def _laid_out(self, cells: Sequence[Line]) -> list[Span]:
        done = [Span(" " * MARGIN)]
        first = True
        for index, (column, width) in enumerate(zip(self.columns, self._widths, strict=False)):
            if not width:
                continue
            if not first:
                done.append(Span(" " * GAP))
            first = False
            done += padded(cells[index] if index < len(cells) else (), width, column.align)
        return done

    def _measure(self) -> None:
        """Widths of the columns: of the rows in the window, so that they do not move while one scrolls in it."""
        columns = self.columns
        if not self.size.width:
            return
        natural = []
        for index, column in enumerate(columns):
            if column.width is not None:
                natural.append(column.width)
                continue
            widest = max(
                (row.widths[index] for row in self._rows if index < len(row.cells) and not (row.plain or row.whole)),
                default=0,
            )
            natural.append(min(column.most, max(column.least, width_of([span(column.title)]), widest)))
        self._natural = natural
        if self._scrolls_columns:
            hidden = range(1, self._first_column + 1)
            widths = self._as_many_as_fit([0 if place in hidden else width for place, width in enumerate(natural)])
        else:
            widths = self._fitted(natural)
        if widths != self._widths:
            self._widths = widths
            self._shown.clear()
            self._made.clear()
            self.refresh()

    def _room(self, widths: Sequence[int]) -> int:
        used = [width for width in widths if width]
        return self.size.width - 2 * MARGIN - sum(used) - GAP * max(0, len(used) - 1)

    def _as_many_as_fit(self, widths: list[int]) -> list[int]:
        done: list[int] = []
        for width in widths:
            room = self._room([*done, 0]) - (GAP if any(done) else 0)
            done.append(width if width <= room else max(0, room) if room >= 4 else 0)
        return done

    def _fitted(self, widths: list[int]) -> list[int]:
        """Give what is over to those that grow; where it is short, leave out columns, the least important first."""
        widths = list(widths)
        floors = [max(column.least, 8) for column in self.columns]
        self._narrow(widths, [max(floor, column.wants) for floor, column in zip(floors, self.columns, strict=True)])
        self._leave_out(widths, SPARE)
        self._narrow(widths, floors)
        self._leave_out(widths, max((column.rank for column in self.columns), default=0))
        growing = [i for i, column in enumerate(self.columns) if column.grow and widths[i]]
        for number, index in enumerate(growing):
            widths[index] += self._room(widths) // (len(growing) - number)
        return widths

    def _narrow(self, widths: list[int], floors: Sequence[int]) -> None:
        while (lacking := -self._room(widths)) > 0:
            growing = [i for i, column in enumerate(self.columns) if column.grow and widths[i] > floors[i]]
            if not growing:
                return
            widest = max(growing, key=lambda i: widths[i])
            widths[widest] = max(floors[widest], widths[widest] - lacking)

    def _leave_out(self, widths: list[int], rank: int) -> None:
        while self._room(widths) < 0:
            left = [i for i, width in enumerate(widths) if width]
            if len(left) <= 1:
                widths[:] = [self.size.width - 2 * MARGIN if width else 0 for width in widths]
                return
            least = min(left, key=lambda i: (self.columns[i].rank, -i))
            if self.columns[least].rank > rank:
                return
            widths[least] = 0

    # -- windows and scrolling

    def _want(self, place: int) -> None:
        first = max(0, place - AHEAD)
        asked = first, min(WINDOW, self.view[1] + 2 * AHEAD)
        if self._asked != asked:
            self._asked = asked
            self.post_message(self.Wanted(self, *asked))

    def _keep_in_view(self) -> None:
        top, count = self.view
        if self.cursor < top:
            top = self.cursor
            if top and all((row := self.row_at(i)) is not None and row.plain for i in range(top)):
                top = 0  # headings above the first line come into view with it
        elif self.cursor >= top + count:
            top = self.cursor - count + 1
        else:
            return
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._shown.clear()

    def on_resize(self) -> None:
        self._shown.clear()
        self._measure()
        self._keep_in_view()

    def on_focus(self) -> None:
        self._refresh_changed()

    def on_blur(self) -> None:
        self._refresh_changed()

    def on_click(self, event: events.Click) -> None:
        place = event.y - self._head + round(self.scroll_y)
        if not 0 <= place < self.total or event.y < self._head:
            return
        if place == self.cursor or event.chain > 1:
            self.move_to(place)
            if not self.why_not("choose"):
                self.do_choose()
        else:
            self.move_to(place)


def _without_first(parts: list[Span]) -> list[Span]:
    """The line less its first cell, which is a space of the margin."""
    head, *rest = parts
    return [Span(head.text[1:], head.role), *rest] if len(head.text) > 1 else rest
