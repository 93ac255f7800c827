"""5 Models: may this one go to production?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.dialogs import Agreeing
from screens.glyphs import glyph, role_of
from screens.ink import Line, Span, escaped, joined, line, span
from screens.page import Page
from screens.view import View
from screens.widgets.evidence import evidence_lines, rules
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.models import VersionDetails
    from storage.read.models import ModelRow
    from storage.shed import Shed
    from storage.tables import Decision, ModelVersion

Key = tuple[str, int]  # a model's name, a version's number


@dataclass(frozen=True)
class Found:
    """All models; and of the version under the cursor everything. The gate skips slices below `least_rows`."""

    rows: list[ModelRow]
    details: VersionDetails | None
    history: list[Decision]
    least_rows: int = 0


class Models(View[Key | None, Found]):
    """Versions on the left, the evidence for one on the right."""

    PLACE = "models"
    VIEW = "models"
    CSS_PATH = "styles/models.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("models")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._goal: Key | None = None

    def body(self) -> ComposeResult:
        with Horizontal(classes="panes"):
            with Vertical(classes="pane", id="list") as box:
                box.border_title = "models"
                yield Grid(id="versions", header=False, empty=EMPTY, opens=True)
            with Vertical(classes="pane", id="detail"):
                yield Lines(id="evidence", empty="")

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    # -- reading

    def question(self) -> Key | None:
        return self._key

    @property
    def _key(self) -> Key | None:
        key = self.query_one(Grid).key
        return (str(key[0]), int(key[1])) if isinstance(key, tuple) else None

    def answer(self, shed: Shed, question: Key | None) -> Found:
        from runners.actions import models
        from storage.read import models as read_models
        from storage.read import runs as read_runs

        rows = read_models.every(shed)
        key = question or next(((row.model.name, row.versions[0].number) for row in rows if row.versions), None)
        if key is None:
            return Found(rows, None, [])
        details = models.details(shed, f"{key[0]}@v{key[1]}")
        gate = read_runs.run(shed, details.version.run_id).spec.get("gate") or {}
        return Found(rows, details, read_models.history(shed, key[0]), int(gate.get("min_slice_rows") or 0))

    def show(self, answer: Found) -> None:
        self._found = answer
        columns = [Column("", width=1), Column("", least=4), Column("", grow=True, most=20), Column("", "r", rank=4)]
        self.query_one(Grid).show([row for model in answer.rows for row in _rows(model)], columns=columns)
        if self._goal is not None:
            self.go_to(f"{self._goal[0]}@v{self._goal[1]}")
        self._show_details()

    def _show_details(self) -> None:
        found, box = self._found, self.query_one("#detail")
        lines = self.query_one("#evidence", Lines)
        if found is None or found.details is None:
            box.border_title = ""
            lines.show([])
            return
        details = found.details
        model = next(row for row in found.rows if row.model.name == details.model.name)
        numbers = {version.id or 0: version.number for version in model.versions}
        box.border_title = escaped(_title(details))
        box.border_subtitle = escaped(_verdict(details))
        lines.flow(lambda width: evidence_lines(details, found.history, numbers, width, found.least_rows))

    @on(Grid.Moved)
    def _moved(self) -> None:
        self.refetch()

    @on(Grid.Chosen)
    def _chosen(self) -> None:
        self.add_class("-detail")
        self.query_one("#evidence").focus()

    def tick(self) -> None:
        self._show_details()

    def go_to(self, reference: str) -> None:
        """Put the cursor on `flight-delay@v3`, now or when it has been read."""
        name, _, version = reference.partition("@")
        number = int(version.removeprefix("v")) if version.removeprefix("v").isdigit() else 0
        self._goal = (name, number)
        if self.query_one(Grid).move_to_key(self._goal):
            self._goal = None

    # -- actions

    @property
    def _version(self) -> ModelVersion | None:
        return self._found.details.version if self._found is not None and self._found.details is not None else None

    def _production(self) -> int | None:
        found = self._found
        if found is None or found.details is None:
            return None
        row = next(row for row in found.rows if row.model.name == found.details.model.name)
        return row.aliases.get("production")

    def _previous(self) -> int | None:
        found = self._found
        if found is None or found.details is None:
            return None
        row = next(row for row in found.rows if row.model.name == found.details.model.name)
        return row.aliases.get("previous")

    def why_not(self, name: str) -> str:
        if name == "back" and not self.has_class("-detail"):
            return "This is the view itself; q leaves."
        if name == "back":
            return ""
        version = self._version
        if name not in {"promote", "approve", "reject", "roll_back", "card", "run", "verify", "copy"}:
            return super().why_not(name)
        if version is None:
            return "There is no model version yet."
        production = self._production()
        if name == "promote" and version.number == production:
            return f"v{version.number} is in production already."
        if name == "approve" and version.status != "waiting":
            return f"v{version.number} is {version.status}: only one that waits for a person is approved."
        if name == "reject" and version.number == production:
            return f"v{version.number} is in production: roll back first."
        if name == "reject" and version.status == "rejected":
            return f"v{version.number} is rejected already."
        if name == "roll_back" and (production is None or self._previous() is None):
            return "There is no version before to go back to."
        if name == "card" and version.card is None:
            return f"v{version.number} has no card; the gate writes it."
        return ""

    def do_back(self) -> None:
        self.remove_class("-detail")
        self.query_one(Grid).focus()

    def do_promote(self) -> None:
        details = self._details
        name, number, gate = details.model.name, details.version.number, details.gate
        passed = gate is not None and bool(gate.passed) and details.version.status != "rejected"

        async def promote(reason: str | None) -> None:
            if reason is not None:
                override = None if passed else reason
                await self.shell.carry_out(
                    lambda shed: _promote(shed, name, number, override), f"production of {name} is v{number} now"
                )

        told = [*self._what_moves(number), [], *(rules(gate, 84) if gate is not None else [])]
        if not passed:
            why = "No gate has judged it." if gate is None else "The gate refused it."
            told += [[], line(Span(why, "failed bold"), " An override needs a reason; it is kept in the history.")]
        dialog = Agreeing(
            f"promote {name} v{number}",
            told,
            verb=f"v{number} to production" if passed else f"past the gate: v{number} to production",
            reason="why, for the history" if passed else "why past the gate",
            needs_reason=not passed,
            dangerous=not passed,
        )
        self.app.push_screen(dialog, promote)

    def _what_moves(self, number: int) -> list[Line]:
        now = self._production()
        if now is None:
            return [line(f"v{number} becomes the first version in ", Span("production", "done"), ".")]
        return [
            line(
                f"v{number} goes to ",
                Span("production", "done"),
                f" in place of v{now}, which becomes ",
                Span("previous", "dim"),
                ".",
            )
        ]

    def do_approve(self) -> None:
        details = self._details
        name, number = details.model.name, details.version.number

        async def approve(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _approve(shed, name, number, reason), f"{name} v{number} is approved and in production"
                )

        told = [*self._what_moves(number), [], *(rules(details.gate, 84) if details.gate is not None else [])]
        dialog = Agreeing(f"approve {name} v{number}", told, verb="approve it", reason="why, for the history")
        self.app.push_screen(dialog, approve)

    def do_reject(self) -> None:
        details = self._details
        name, number = details.model.name, details.version.number

        async def reject(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _reject(shed, name, number, reason), f"{name} v{number} is rejected"
                )

        dialog = Agreeing(
            f"reject {name} v{number}",
            [[Span("It cannot go to production then without an override.")]],
            verb="reject it",
            reason="why, for the history",
            needs_reason=True,
            dangerous=True,
        )
        self.app.push_screen(dialog, reject)

    def do_roll_back(self) -> None:
        name = self._details.model.name
        now, before = self._production(), self._previous()

        async def roll_back(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _roll_back(shed, name, reason), f"production of {name} is v{before} again"
                )

        told: list[Line] = [
            line(
                f"v{before} goes back to ",
                Span("production", "done"),
                f"; v{now} becomes ",
                Span("previous", "dim"),
                ".",
            ),
            [Span("Its bytes are read again first, and nothing moves if they are damaged.", "dim")],
        ]
        dialog = Agreeing(
            f"roll {name} back", told, verb=f"v{before} to production", reason="why, for the history", dangerous=True
        )
        self.app.push_screen(dialog, roll_back)

    def do_card(self) -> None:
        details = self._details
        reference = f"{details.model.name}@v{details.version.number}"
        self.app.push_screen(
            Page(f"card of {details.model.name} v{details.version.number}", lambda s: _card(s, reference), self.VIEW)
        )

    def do_run(self) -> None:
        self.shell.open_thing(str(self._details.version.run_id))

    async def do_verify(self) -> None:
        details = self._details
        reference = f"{details.model.name}@v{details.version.number}"
        self.shell.say(f"reading {reference} again …")
        await self.shell.carry_out(lambda shed: _verify(shed, reference), f"{reference} is whole and loads")

    def do_copy(self) -> None:
        details = self._details
        self.shell.copy(f"{details.model.name}@v{details.version.number}")

    @property
    def _details(self) -> VersionDetails:
        assert self._found is not None and self._found.details is not None  # why_not has seen to it
        return self._found.details


EMPTY: list[Line] = [
    [],
    [Span("No models yet.", "bold")],
    [],
    [Span("A run that reaches its gate makes a version.", "dim")],
    [Span("trainshed --batch", "accent")],
]


def _rows(model: ModelRow) -> list[Row]:
    rows = [Row((model.model.name, 0), ([], [], [span(model.model.name, "bold")], []), plain=True)]
    for version in model.versions:
        aliases = [name for name, number in model.aliases.items() if number == version.number]
        word = next((name for name in ("production", "previous") if name in aliases), version.status)
        told: Line = joined([[Span(word, role_of(word))], [span(" ".join(set(aliases) - {word}), "dim")]], " ")
        cells: tuple[Line, ...] = (
            [glyph(word)],
            [Span(f"v{version.number}", "bold")],
            told,
            [Span(figures.ago(version.created_at), "dim")],
        )
        rows.append(Row((model.model.name, version.number), cells))
    return rows


def _title(found: VersionDetails) -> str:
    aliases = " ".join(found.aliases)
    title = f"{found.model.name} v{found.version.number}" + (f" · {aliases}" if aliases else "")
    against = (found.gate.evidence if found.gate is not None else {}).get("production_version")
    return f"{title} · against v{against} on the same newest rows" if against else title


def _verdict(found: VersionDetails) -> str:
    if found.version.status == "waiting":
        return "waits for your approval: a"
    if found.gate is None:
        return "never judged"
    return "the gate passed it" if found.gate.passed else "the gate refused it"


def _promote(shed: Shed, name: str, number: int, override: str | None) -> None:
    from runners.actions import models

    models.promote(shed, name, f"v{number}", override=override)


def _approve(shed: Shed, name: str, number: int, reason: str) -> None:
    from runners.actions import models

    models.approve(shed, name, f"v{number}", reason)


def _reject(shed: Shed, name: str, number: int, reason: str) -> None:
    from runners.actions import models

    models.reject(shed, name, f"v{number}", reason)


def _roll_back(shed: Shed, name: str, reason: str) -> None:
    from runners.actions import models

    models.roll_back(shed, name, reason)


def _card(shed: Shed, reference: str) -> str:
    from runners.actions import models

    return models.card(shed, reference)


def _verify(shed: Shed, reference: str) -> None:
    from runners.actions import models

    models.verify(shed, reference)
