"""The parts of pages, one module each: what it reads, and how that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Vertical

from screens.acting import Acting

if TYPE_CHECKING:
    from storage.shed import Shed


class Section(Acting, Vertical):
    """One part. Only the one in front is read."""

    NAME: ClassVar[str] = ""
    LETTER: ClassVar[str] = ""

    def question(self) -> Any:
        """What is to be read, as plain values."""
        return None

    def answer(self, shed: Shed, subject: Any, question: Any) -> Any:
        """Read it. Runs in a thread."""
        raise NotImplementedError

    def show(self, details: Any, answer: Any) -> None:
        """Put it on the screen."""
        raise NotImplementedError

    def look(self) -> None:
        """A few times a second, while it is in front."""

    def begin(self) -> None:
        """It comes to the front: the focus goes where keys are wanted first."""
        for widget in self.query("*"):
            if widget.can_focus:
                widget.focus()
                return
