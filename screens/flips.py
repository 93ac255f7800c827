"""Flips: the rows whose answer would change with a version, looked at before one signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from runners.actions.flips import Look
from screens import figures
from screens.acting import bindings
from screens.cells import short
from screens.dialogs import Reading
from screens.glyphs import bar
from screens.ink import Line, Span, escaped, line, padded, span
from screens.profiling import share
from screens.sections.rows import record
from screens.signing import Signing
from screens.widgets.grid import AHEAD, Column, Grid, Row
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.flips import Flip, Flips
    from runners.actions.models import VersionDetails
    from storage.errors import TrainshedError
    from storage.shed import Shed

BAR = 8
COUNTING = 24  # cells of the bar while both models answer
ORDERS = {"change": "change", "before": "production's answer", "after": "the candidate's answer", "row": "row"}
CHOICES = {"all": "", "better": "right now", "worse": "wrong now"}
NEARER = {"all": "", "better": "nearer now", "worse": "further off now"}


@dataclass(frozen=True)
class Asked:
    """Which window of which flips; `flips` is None until they have been found."""

    flips: Flips | None
    endpoint: str | None
    look: Look
    first: int
    count: int


@dataclass(frozen=True)
class Found:
    """The window, the version that it is about as it stands now, and an endpoint whose log could be asked."""

    flips: Flips
    look: Look
    rows: list[Flip]
    total: int
    first: int
    details: VersionDetails
    aliases: Mapping[str, int]
    endpoint: str | None


class FlipsPage(Signing[Asked, Found]):
    """Slices on the left, rows on the right; the keys that sign are here too."""

    PLACE = "flips"
    VIEW = "models"
    CSS_PATH = "styles/flips.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("flips")]

    def __init__(self, reference: str) -> None:
        super().__init__()
        self._reference = reference
        self._endpoint: str | None = None  # whose log is asked; None: the test rows are
        self._look = Look()
        self._window = (0, 2 * AHEAD)
        self._found: Found | None = None
        self._progress = (0, 0)
        self._gone = False

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(classes="pane", id="slices") as box:
                box.border_title = "slices"
                yield Grid(id="by", empty=NO_SLICES, opens=True)
            with Vertical(classes="pane", id="list") as box:
                box.border_title = escaped(f"flips of {self._reference}")
                yield Grid(id="rows", empty=NONE, scrolls_columns=True, opens=True)

    def on_mount(self) -> None:
        self.query_one("#rows", Grid).focus()
        self._timer = self.set_interval(0.5, self._tell_progress)
        self._tell_progress()

    def on_unmount(self) -> None:
        self._gone = True

    # -- reading

    def question(self) -> Asked:
        known = self._found.flips if self._found is not None else None
        return Asked(known, self._endpoint, self._look, *self._window)

    def answer(self, shed: Shed, question: Asked) -> Found:
        from runners.actions import flips, models
        from storage.read import endpoints as read_endpoints
        from storage.read import models as read_models

        found = question.flips or flips.flips(shed, self._reference, endpoint=question.endpoint, progress=self._goes_on)
        rows, total = found.page(question.look, question.first, question.count)
        details = models.details(shed, f"{found.model}@v{found.after}")
        serving = [each for each in read_endpoints.every(shed) if each.model == found.model]
        newest = max(serving, key=lambda each: each.started_at or 0.0, default=None)
        return Found(
            flips=found,
            look=question.look,
            rows=rows,
            total=total,
            first=question.first,
            details=details,
            aliases=read_models.row(shed, found.model).aliases,
            endpoint=newest.name if newest is not None else None,
        )

    def _goes_on(self, done: int, total: int) -> bool:
        self._progress = (done, total)
        return not self._gone

    def _tell_progress(self) -> None:
        if self._found is not None:
            return
        done, total = self._progress
        grid = self.query_one("#rows", Grid)
        far = f"{done:,} of {counted(total, 'row')}" if total else "finding the rows"
        grid.empty = [
            [],
            [Span("counting…  ", "bold"), *bar(done / total if total else 0.0, COUNTING), Span(f"  {far}")],
            [Span("both models answer every row again", "dim")],
        ]
        grid.show([])

    def show(self, answer: Found) -> None:
        self._found = answer
        self._timer.pause()
        self._show_slices(answer)
        columns, rows = told(answer)
        grid = self.query_one("#rows", Grid)
        grid.empty = NONE
        grid.show(rows, total=answer.total, first=answer.first, columns=columns)
        self._title(answer)

    def _title(self, found: Found) -> None:
        flips, look = found.flips, found.look
        words = NEARER if flips.task == "regression" else CHOICES
        parts = [
            f"{flips.flips:,} of {flips.rows:,} {flips.source} flip ({share(flips.flips, flips.rows)})",
            f"{flips.better:,} {words['better']}",
            f"{flips.worse:,} {words['worse']}",
        ]
        box = self.query_one("#list")
        box.border_title = escaped(" · ".join(parts))
        chosen = [f"{look.column} = {look.value}"] if look.column else []
        chosen += [words[look.which]] if look.which != "all" else []
        chosen += [f"{found.total:,}"] if chosen else []
        if flips.kept < flips.flips:
            chosen.append(f"the {flips.kept:,} that changed most")
        order = f"by {ORDERS[look.order]} {'▼' if look.descending else '▲'}"
        box.border_subtitle = escaped(" · ".join([*chosen, order]))

    def _show_slices(self, found: Found) -> None:
        flips = found.flips
        whole = flips.flips / max(1, flips.rows)
        weighty = [each.flips / each.rows for each in flips.slices if each.rows >= flips.least_rows]
        top = max([whole, *weighty]) or 1.0
        rows = [Row(("", ""), ([Span("all rows", "bold")], *_counts(flips.rows, flips.flips, whole / top)))]
        for column in dict.fromkeys(each.column for each in flips.slices):
            rows.append(Row(("", column), ([span(column, "bold")],), plain=True))
            for each in flips.slices:
                if each.column == column:
                    small = each.rows < flips.least_rows
                    cells = _counts(each.rows, each.flips, 0.0 if small else each.flips / each.rows / top)
                    chosen = (column, each.value) == (found.look.column, found.look.value)
                    name = span(each.value, "faint" if small else "")
                    rows.append(Row((column, each.value), ([name], *cells), marked=chosen))
        columns = [
            Column("", most=24, least=8, grow=True),
            Column("rows", "r", rank=2, role="dim"),
            Column("flips", "r", rank=5),
            Column("", "r", rank=6, role="dim"),
            Column("", width=BAR, rank=1),
        ]
        self.query_one("#by", Grid).show(rows if flips.slices else [], columns=columns)

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if self._found is None and self._endpoint is not None:
            self._ask_another(None)  # nothing fitting is logged: the test rows again
        elif self._found is None:
            self.dismiss()

    @property
    def details(self) -> VersionDetails | None:
        return self._found.details if self._found is not None else None

    @property
    def aliases(self) -> Mapping[str, int]:
        return self._found.aliases if self._found is not None else {}

    @on(Grid.Wanted, "#rows")
    def _more(self, event: Grid.Wanted) -> None:
        self._window = (event.first, event.count)
        self.refetch()

    @on(Grid.Chosen, "#by")
    def _sliced(self, event: Grid.Chosen) -> None:
        key: Any = event.key
        self._again(replace(self._look, column=key[0], value=key[1] if key[0] else ""))
        self.remove_class("-slices")
        self.query_one("#rows", Grid).focus()

    @on(Grid.Chosen, "#rows")
    def _chosen(self, event: Grid.Chosen) -> None:
        found = self._found
        flip = next((each for each in found.rows if each.row == event.key), None) if found is not None else None
        if found is not None and flip is not None:
            flips = found.flips
            self.app.push_screen(
                Reading(f"row {flip.row:,} of the {flips.source}", lambda width: one_flip(flips, flip, width))
            )

    def _again(self, look: Look) -> None:
        self._look = look
        self._window = (0, 2 * AHEAD)
        self.query_one("#rows", Grid).move_to(0)
        self.refetch()

    # -- actions

    def why_not(self, name: str) -> str:
        if name in ("which", "sort", "reverse", "copy", "next", "previous", "source") and self._found is None:
            return "Both models still answer."
        if name == "source" and self._found is not None and self._found.endpoint is None:
            return "No endpoint of this model has been asked anything."
        if name == "back":
            return ""
        return super().why_not(name)

    def do_next(self) -> None:
        on_rows = self.query_one("#rows").has_focus
        self.set_class(on_rows, "-slices")
        self.query_one("#by" if on_rows else "#rows", Grid).focus()

    def do_previous(self) -> None:
        self.do_next()

    def do_which(self) -> None:
        choices = list(CHOICES)
        self._again(replace(self._look, which=choices[(choices.index(self._look.which) + 1) % len(choices)]))  # type: ignore[arg-type]

    def do_source(self) -> None:
        assert self._found is not None  # why_not has seen to it
        self._ask_another(self._found.endpoint if self._endpoint is None else None)

    def _ask_another(self, endpoint: str | None) -> None:
        self._endpoint, self._found, self._progress = endpoint, None, (0, 0)
        self._timer.resume()
        self.query_one("#list").border_title = escaped(f"flips of {self._reference}")
        self._again(Look())
        self._tell_progress()

    def do_sort(self) -> None:
        orders = list(ORDERS)
        order = orders[(orders.index(self._look.order) + 1) % len(orders)]
        self._again(replace(self._look, order=order, descending=order != "row"))  # type: ignore[arg-type]

    def do_reverse(self) -> None:
        self._again(replace(self._look, descending=not self._look.descending))

    def do_copy(self) -> None:
        look = self._look
        command = f"trainshed models flips {self._reference}"
        command += f" --endpoint {self._endpoint}" if self._endpoint is not None else ""
        command += f" --slice '{look.column}={look.value}'" if look.column else ""
        command += f" --which {look.which}" if look.which != "all" else ""
        self.shell.copy(command + f" --sort {'-' if look.descending else ''}{look.order}")

    def do_back(self) -> None:
        if self.has_class("-slices"):
            self.do_next()
        elif self._look.column or self._look.which != "all":
            self._again(replace(self._look, column="", value="", which="all"))
        else:
            self.dismiss()


NO_SLICES: list[Line] = [
    [],
    [Span("No slices.", "bold")],
    [],
    [Span("Columns in [gate] slices", "dim")],
    [Span("of trainshed.toml make some.", "dim")],
]
NONE: list[Line] = [[], [Span("No row flips: both give the same answers.", "dim")]]


def told(found: Found) -> tuple[list[Column], list[Row]]:
    """Columns and rows: the change, both answers, the truth, then the raw columns."""
    flips = found.flips
    names = list(found.rows[0].values) if found.rows else []
    columns = [
        Column("change", "r", least=7),
        Column(f"v{flips.before}", "l", most=24),
        Column(f"v{flips.after}", "l", most=24),
        Column("truth", "l", most=16),
        *(Column(name, "r" if _is_number(found.rows, name) else "l", most=24, role="dim") for name in names),
    ]
    return columns, [_row(flip, names) for flip in found.rows]


def _row(flip: Flip, names: list[str]) -> Row:
    return Row(
        flip.row,
        (
            [Span(f"{flip.change:+.3f}" if flip.sure_after is not None else figures.signed(flip.change))],
            _answer(flip.before, flip.sure_before, "dim"),
            _answer(flip.after, flip.sure_after, "bold"),
            _truth(flip),
            *([span(short(flip.values[name]))] for name in names),
        ),
    )


def one_flip(flips: Flips, flip: Flip, width: int) -> list[Line]:
    """Everything about one row: both answers, the truth, all raw columns."""
    before, after = (padded([Span(f"v{number}", "dim")], 10) for number in (flips.before, flips.after))
    lines: list[Line] = [
        [*before, *_answer(flip.before, flip.sure_before, "")],
        [*after, *_answer(flip.after, flip.sure_after, "bold")],
    ]
    if flip.truth is not None:
        lines.append([*padded([Span("truth", "dim")], 10), *_truth(flip)])
    return [*lines, [], *record(list(flip.values), tuple(flip.values.values()), width)]


def _truth(flip: Flip) -> Line:
    if flip.truth is None:
        return []
    sign = {1: Span("✓ ", "done"), -1: Span("✗ ", "failed")}.get(flip.better, Span("  "))
    return [sign, span(short(flip.truth))]


def _answer(answer: str | float, sure: float | None, role: str) -> Line:
    if sure is None:
        return [span(short(answer), role)]
    return line(span(answer, role), Span(f" {sure:.3f}", "dim"))


def _counts(rows: int, flips: int, part: float) -> tuple[Line, Line, Line, Line]:
    return (
        [Span(f"{rows:,}")],
        [Span(f"{flips:,}")],
        [Span(share(flips, rows))],
        [Span("▇" * round(BAR * part), "curve0")],
    )


def _is_number(rows: list[Flip], name: str) -> bool:
    return all(isinstance(flip.values[name], (int, float, type(None))) for flip in rows[:20])
