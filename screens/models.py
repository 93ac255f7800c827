"""5 Models: may this one go to production?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from screens import figures
from screens.acting import bindings
from screens.actions import Action
from screens.dialogs import Asking
from screens.glyphs import glyph, role_of
from screens.ink import Line, Span, escaped, joined, span
from screens.page import Page
from screens.signing import Signing
from screens.widgets.evidence import evidence_lines
from screens.widgets.grid import Column, Grid, Row
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.models import VersionDetails
    from storage.read.models import ModelRow
    from storage.shed import Shed
    from storage.tables import Decision

Key = tuple[str, int]  # a model's name, a version's number


@dataclass(frozen=True)
class Found:
    """All models; and of the version under the cursor everything. The gate skips slices below `least_rows`."""

    rows: list[ModelRow]
    details: VersionDetails | None
    history: list[Decision]
    least_rows: int = 0


class Models(Signing[Key | None, Found]):
    """Versions on the left, the evidence for one on the right."""

    PLACE = "models"
    VIEW = "models"
    CSS_PATH = "styles/models.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("models")]

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._goal: Key | None = None
        self._pressed: Action | None = None  # what waits until the version under the cursor has been read

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
        self._show_list(answer)
        if self._goal is not None:
            self.go_to(f"{self._goal[0]}@v{self._goal[1]}")
        self._show_details()
        if self._pressed is not None and not self._behind:
            action, self._pressed = self._pressed, None
            self.call_later(self.act, action)

    def _show_list(self, answer: Found) -> None:
        columns = [Column("", width=1), Column("", least=4), Column("", grow=True, most=20), Column("", "r", rank=4)]
        self.query_one(Grid).show([row for model in answer.rows for row in _rows(model)], columns=columns)

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
        if self._found is not None:
            self._show_list(self._found)
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
    def _behind(self) -> bool:
        """Whether the cursor has moved on from the version that was read last."""
        details = self._found.details if self._found is not None else None
        return self._key is not None and (details is None or self._key != (details.model.name, details.version.number))

    async def act(self, action: Action) -> None:
        if self._behind and action.name != "back":
            self._pressed = action  # it is about the version under the cursor, not about the one before
        else:
            await super().act(action)

    @property
    def details(self) -> VersionDetails | None:
        return self._found.details if self._found is not None else None

    @property
    def aliases(self) -> Mapping[str, int]:
        found = self._found
        if found is None or found.details is None:
            return {}
        return next(row.aliases for row in found.rows if row.model.name == found.details.model.name)

    def why_not(self, name: str) -> str:
        if name == "back" and not self.has_class("-detail"):
            return "This is the view itself; q leaves."
        if name == "back":
            return ""
        if name not in ("flips", "walk_back", "card", "run", "export", "predict", "verify", "copy"):
            return super().why_not(name)
        if self.details is None:
            return "There is no model version yet."
        version = self.details.version
        if name == "card" and version.card is None:
            return f"v{version.number} has no card; the gate writes it."
        if name == "flips" and "production" not in self.aliases:
            return "Nothing is in production yet whose answers could change."
        if name == "flips" and version.number == self.aliases["production"] and "previous" not in self.aliases:
            return f"v{version.number} is in production, and none was before it."
        return ""

    def do_back(self) -> None:
        self.remove_class("-detail")
        self.query_one(Grid).focus()

    def do_flips(self) -> None:
        from screens.flips import FlipsPage

        self.app.push_screen(FlipsPage(self._reference))

    def do_card(self) -> None:
        details, reference = self._subject, self._reference
        self.app.push_screen(
            Page(f"card of {details.model.name} v{details.version.number}", lambda s: _card(s, reference), self.VIEW)
        )

    def do_walk_back(self) -> None:
        self.shell.walk_back(self._reference)

    def do_export(self) -> None:
        reference = self._reference

        async def export(text: str | None) -> None:
            if text:
                await self.shell.carry_out(lambda shed: _export(shed, reference, text), lambda told: told)

        about: list[Line] = [[Span("model.onnx, signature.json and card.md; the directory is made if need be.", "dim")]]
        self.app.push_screen(Asking(f"export {reference} into", lines=about, placeholder="model/", needed=True), export)

    def do_predict(self) -> None:
        from screens.predicting import Predicting

        self.app.push_screen(Predicting(self._subject.model.name, self._subject.version.number))

    def do_run(self) -> None:
        self.shell.open_thing(str(self._subject.version.run_id))

    async def do_verify(self) -> None:
        reference = self._reference
        self.shell.say(f"reading {reference} again …")
        await self.shell.carry_out(lambda shed: _verify(shed, reference), f"{reference} is whole and loads")

    def do_copy(self) -> None:
        self.shell.copy(self._reference)

    @property
    def _reference(self) -> str:
        return f"{self._subject.model.name}@v{self._subject.version.number}"


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
        waits = version.status == "passed" and "candidate" in aliases
        word = next((name for name in ("production", "previous") if name in aliases), version.status)
        if waits:
            word = "waiting"
        elif word == "previous" and word not in aliases:
            word = "replaced"  # only one version is what a rollback goes back to
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
    if found.version.status == "passed" and "candidate" in found.aliases:
        return "waits for your approval: a"
    if found.gate is None:
        return "never judged"
    return "the gate passed it" if found.gate.passed else "the gate refused it"


def _card(shed: Shed, reference: str) -> str:
    from runners.actions import models

    return models.card(shed, reference)


def _export(shed: Shed, reference: str, folder: str) -> str:
    from pathlib import Path

    from runners.actions import models

    done = models.export(shed, reference, Path(folder))
    return f"{reference}: {', '.join(done.files)} in {done.folder}"


def _verify(shed: Shed, reference: str) -> None:
    from runners.actions import models

    models.verify(shed, reference)
