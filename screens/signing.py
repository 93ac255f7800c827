"""What is decided about a model version wherever its evidence stands: promote, approve, reject, roll back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic

from textual.binding import BindingType

from screens.acting import bindings
from screens.dialogs import Agreeing
from screens.ink import Line, Span, line
from screens.view import Answer, Question, View
from screens.widgets.evidence import rules

if TYPE_CHECKING:
    from runners.actions.models import VersionDetails
    from storage.shed import Shed

VERBS = ("promote", "approve", "reject", "roll_back")


class Signing(View[Question, Answer], Generic[Question, Answer]):
    """A view that is about one version at a time. It says which, and what the aliases of its model name."""

    PLACE = "signing"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("signing")]

    @property
    def details(self) -> VersionDetails | None:
        """The version that the keys are about; None while there is none."""
        raise NotImplementedError

    @property
    def aliases(self) -> Mapping[str, int]:
        """Alias → number, of the version's model."""
        raise NotImplementedError

    @property
    def _subject(self) -> VersionDetails:
        details = self.details
        assert details is not None  # why_not has seen to it
        return details

    def _production(self) -> int | None:
        return self.aliases.get("production")

    def _previous(self) -> int | None:
        return self.aliases.get("previous")

    def why_not(self, name: str) -> str:
        if name not in VERBS:
            return super().why_not(name)
        if self.details is None:
            return "There is no model version yet."
        version, production = self.details.version, self._production()
        if name == "promote" and version.number == production:
            return f"v{version.number} is in production already."
        if name == "approve" and version.status != "passed":
            return f"v{version.number} is {version.status}: only one that passed the gate, and waits, is approved."
        if name == "reject" and version.number == production:
            return f"v{version.number} is in production: roll back first."
        if name == "reject" and version.status == "rejected":
            return f"v{version.number} is rejected already."
        if name == "roll_back" and (production is None or self._previous() is None):
            return "There is no version before to go back to."
        return ""

    # -- actions

    def do_promote(self) -> None:
        details = self._subject
        name, number, gate = details.model.name, details.version.number, details.gate
        passed = gate is not None and bool(gate.passed) and details.version.status != "rejected"

        async def promote(reason: str | None) -> None:
            if reason is not None:
                override = None if passed else reason
                await self.shell.carry_out(
                    lambda shed: _promote(shed, name, number, override), f"production of {name} is v{number} now"
                )

        def told(width: int) -> list[Line]:
            lines = [*self._what_moves(number), [], *(rules(gate, width) if gate is not None else [])]
            if not passed:
                why = "No gate has judged it." if gate is None else "The gate refused it."
                lines += [[], line(Span(why, "failed bold"), " An override needs a reason; it is kept in the history.")]
            return lines

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
        details = self._subject
        name, number = details.model.name, details.version.number

        async def approve(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _approve(shed, name, number, reason), f"{name} v{number} is approved and in production"
                )

        def told(width: int) -> list[Line]:
            return [*self._what_moves(number), [], *(rules(details.gate, width) if details.gate is not None else [])]

        dialog = Agreeing(f"approve {name} v{number}", told, verb="approve it", reason="why, for the history")
        self.app.push_screen(dialog, approve)

    def do_reject(self) -> None:
        details = self._subject
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
        name = self._subject.model.name
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
