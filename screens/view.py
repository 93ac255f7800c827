"""What all views and pages have in common: header, tabs, keys, and reading what they show beside the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen

from screens.acting import ActingScreen, bindings
from screens.threads import beside, gone
from screens.widgets.header import Header
from screens.widgets.keys import Keys
from screens.widgets.tabs import Tabs

if TYPE_CHECKING:
    from storage.errors import TrainshedError
    from storage.shed import Shed

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class View(ActingScreen, Screen[None], Generic[Question, Answer]):
    """A numbered view, or a page that was opened from one.

    It says what it wants to know (`question`), how that is read from the shed (`answer`, in a thread: it touches no
    widget), and how it is shown (`show`). It is read again whenever something was committed.
    """

    PLACE = "view"
    VIEW: str = ""  # the numbered view that it is or belongs to
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("view")]

    def __init__(self) -> None:
        super().__init__()
        self._asking = False
        self._stale = False
        self._trouble = ""  # why it could not be read
        self.answered = 0  # how often something was shown

    def compose(self) -> ComposeResult:
        yield Header()
        yield Tabs(self.VIEW)
        with Container(id="body"):
            yield from self.body()
        yield Keys()

    def body(self) -> ComposeResult:
        """The widgets between tabs and keys."""
        raise NotImplementedError

    # -- reading

    def question(self) -> Question:
        """What is to be read, as plain values."""
        raise NotImplementedError

    def answer(self, shed: Shed, question: Question) -> Answer:
        """Read it. Runs in a thread."""
        raise NotImplementedError

    def show(self, answer: Answer) -> None:
        """Put it on the screen."""
        raise NotImplementedError

    def failed(self, err: TrainshedError) -> None:
        """It could not be read."""
        self.shell.tell(err)

    def refetch(self) -> None:
        """Read and show again, soon; while one reading is under way, once more after it."""
        self._stale = True
        if not self._asking and self.shell.shed is not None and self.is_mounted:
            self._asking = True
            self.run_worker(self._ask(), group="fetch")

    async def _ask(self) -> None:
        from storage.errors import ShedError, TrainshedError

        try:
            while self._stale and not gone(self) and (shed := self.shell.shed) is not None:
                self._stale = False
                question = self.question()
                try:
                    found = await beside(lambda shed=shed, question=question: self.answer(shed, question))  # type: ignore[misc]
                except ShedError as err:
                    self.shell.old_news()
                    if err.message != self._trouble:  # told once; it is tried again and again
                        self._trouble = err.message
                        self.failed(err)
                except TrainshedError as err:
                    self.failed(err)
                else:
                    self._trouble = ""
                    if gone(self):
                        return
                    self.show(found)
                    self.answered += 1
                    self.refresh_bindings()
        finally:
            self._asking = False

    def look(self) -> None:
        """A few times a second: whether files that it watches have grown."""

    def tick(self) -> None:
        """Now and then: times told relative to now may have changed."""

    def machine_seen(self) -> None:
        """The machine was looked at."""

    def pulse_felt(self) -> None:
        """The counters of endpoints were read once more."""

    def on_screen_resume(self) -> None:
        self.query_one(Header).repaint()  # what it told when it was left
        self.refetch()

    # -- actions

    def do_back(self) -> None:
        if len(self.shell.screen_stack) > 1:
            self.dismiss()
