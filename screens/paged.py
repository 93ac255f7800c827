"""A page about one thing, in parts: only the part in front is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from screens.actions import Action
from screens.sections import Section
from screens.view import View
from screens.widgets.parts import Parts

if TYPE_CHECKING:
    from storage.errors import TrainshedError
    from storage.shed import Shed

Details = TypeVar("Details")


@dataclass(frozen=True)
class Asked:
    """What the part in front wants to know; no part: only the thing itself."""

    part: Section | None
    wish: Any


@dataclass(frozen=True)
class Found(Generic[Details]):
    """The thing, and what its part in front asked for."""

    asked: Asked
    details: Details
    answer: Any


class Paged(View[Asked, Found[Details]], Generic[Details]):
    """A head over the parts, each with a letter that leads to it."""

    SECTIONS: ClassVar[tuple[type[Section], ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.part = ""
        self.details: Details | None = None

    # -- what a page says of itself

    def head(self) -> Widget:
        """What stands above the parts."""
        raise NotImplementedError

    def read(self, shed: Shed) -> Details:
        """The thing itself. Runs in a thread."""
        raise NotImplementedError

    def show_head(self, details: Details) -> None:
        """Put it on the screen."""
        raise NotImplementedError

    def first_part(self, details: Details) -> str:
        """Where the page opens."""
        return self.there()[0].NAME

    def subject(self) -> Any:
        """What the parts are told it is about: a run's number, a reference."""
        raise NotImplementedError

    def there(self) -> list[type[Section]]:
        """The parts that this thing has."""
        return list(self.SECTIONS)

    # -- the frame

    def body(self) -> ComposeResult:
        with Vertical(classes="pane", id="head"):
            yield self.head()
        yield Parts()
        with ContentSwitcher(classes="pane", id="parts"):
            for section in self.SECTIONS:
                part = section()
                part.id = section.NAME
                yield part

    def question(self) -> Asked:
        if not self.part:
            return Asked(None, None)
        return Asked(self.section, self.section.question())

    def answer(self, shed: Shed, question: Asked) -> Found[Details]:
        part = question.part
        details = self.read(shed)
        answer = part.answer(shed, self.subject(), question.wish) if part is not None else None
        return Found(question, details, answer)

    def show(self, answer: Found[Details]) -> None:
        first = self.details is None
        self.details = answer.details
        if first:
            self.go(self.first_part(answer.details))
        self.show_head(answer.details)
        self._show_parts()
        part = answer.asked.part
        if part is not None and self.part == part.NAME:
            part.show(answer.details, answer.answer)

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if self.details is None:
            self.dismiss()  # there is no such thing any more

    @property
    def section(self) -> Section:
        """The part in front."""
        return self.query_one(f"#{self.part}", Section)

    def _show_parts(self) -> None:
        self.query_one(Parts).show([(each.NAME, each.LETTER) for each in self.there()], self.part)

    def go(self, part: str) -> None:
        """Bring a part to the front."""
        if part == self.part:
            return
        self.part = part
        self.query_one("#parts", ContentSwitcher).current = part
        if self.details is not None:
            self.show_head(self.details)
        self._show_parts()
        self.set_focus(None)
        self.section.begin()
        self.refetch()

    @on(Parts.Picked)
    def _picked(self, event: Parts.Picked) -> None:
        self.go(event.name)

    # -- actions

    async def act(self, action: Action) -> None:
        names = {section.NAME for section in self.SECTIONS}
        if action.place == self.PLACE and action.name in names and not self.why_not(action.name):
            self.go(action.name)
        else:
            await super().act(action)

    def _step(self, by: int) -> None:
        names = [each.NAME for each in self.there()]
        self.go(names[(names.index(self.part) + by) % len(names)] if self.part in names else names[0])

    def do_next(self) -> None:
        self._step(1)

    def do_previous(self) -> None:
        self._step(-1)
