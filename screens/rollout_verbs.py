"""Serving a second version beside an endpoint's own: begin a canary, promote it, give it up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from screens.acting import Acting
from screens.dialogs import Agreeing, Asking
from screens.ink import Line, Span, line, span
from screens.widgets.rollout import rollout_told
from storage.errors import UsageError

if TYPE_CHECKING:
    from runners.actions.canaries import Standing
    from runners.actions.endpoints import EndpointStatus
    from storage.shed import Shed

WIDE = 84
KINDS = ("canary", "shadow", "ab")


class RolloutVerbs(Acting):
    """Actions on what an endpoint serves beside its own version."""

    @property
    def endpoint(self) -> EndpointStatus | None:
        """The endpoint that is looked at."""
        raise NotImplementedError

    @property
    def rollout(self) -> Standing | None:
        """What it serves beside its own version, or served last."""
        raise NotImplementedError

    def why_not(self, name: str) -> str:
        endpoint, rollout = self.endpoint, self.rollout
        going = rollout is not None and rollout.verdict == "going"
        if name == "canary" and (endpoint is None or endpoint.state != "serving"):
            return "A canary needs an endpoint that serves."
        if name == "canary" and going and rollout is not None:
            return f"v{rollout.version} is tried already: p promotes it, A gives it up."
        if name in ("promote", "abort") and not going:
            return "No second version is tried: c begins a canary."
        return super().why_not(name)

    def do_canary(self) -> None:
        endpoint = self.endpoint
        assert endpoint is not None  # why_not has seen to it

        def begin(answer: str | None) -> None:
            if answer:
                told = f"{answer.split()[0]} is tried first"
                self.shell.run_worker(self.shell.carry_out(lambda shed: _start(shed, endpoint.name, answer), told))

        told: list[Line] = [
            line("A version; a share; ", Span("canary, shadow", "accent"), " or ", Span("ab", "accent"), "."),
            [],
            line(Span("candidate  ", "accent"), Span(" as [serve.canary] says, ended by itself", "dim")),
            line(Span("v7 20      ", "accent"), Span(" answers 20 % of the requests", "dim")),
            line(Span("v7 shadow  ", "accent"), Span(" asked beside, answers are only compared", "dim")),
            [],
            [span(f"trainshed endpoints canary start {endpoint.name}", "dim")],
        ]
        self.shell.push_screen(Asking("try another version", "candidate", lines=told, needed=True), begin)

    def do_promote(self) -> None:
        endpoint, rollout = self.endpoint, self.rollout
        assert endpoint is not None and rollout is not None

        async def promote(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _promote(shed, endpoint.name, reason), f"v{rollout.version} answers everybody now"
                )

        told = [*rollout_told(rollout, WIDE, time.time()), [], [Span("It answers all requests from now on.")]]
        dialog = Agreeing(f"promote v{rollout.version}", told, verb="promote it", reason="why, for the history")
        self.shell.push_screen(dialog, promote)

    def do_abort(self) -> None:
        endpoint, rollout = self.endpoint, self.rollout
        assert endpoint is not None and rollout is not None

        async def abort(reason: str | None) -> None:
            if reason is not None:
                await self.shell.carry_out(
                    lambda shed: _abort(shed, endpoint.name, reason), f"v{rollout.version} is asked nothing any more"
                )

        told = [*rollout_told(rollout, WIDE, time.time()), [], [Span("It is asked nothing any more.")]]
        dialog = Agreeing(
            f"give up v{rollout.version}", told, verb="give it up", reason="why, for the history", dangerous=True
        )
        self.shell.push_screen(dialog, abort)


def asked(answer: str) -> tuple[str, str, float | None]:
    """`v7 20 shadow` → version, kind, and percent, in any order behind the version.

    Raises:
        UsageError: for a word that is none of these.
    """
    version, *words = answer.split()
    kind, percent = "canary", None
    for word in words:
        number = word.removesuffix("%")
        if word in KINDS:
            kind = word
        elif number.replace(".", "", 1).isdecimal():
            percent = float(number)
        elif word != "%":
            raise UsageError(f'"{word}" is neither a share nor a kind', expected=f"percent, or {', '.join(KINDS)}")
    return version, kind, percent


def _start(shed: Shed, endpoint: str, answer: str) -> None:
    from runners.actions import canaries

    version, kind, percent = asked(answer)
    canaries.start(shed, endpoint, version=version, kind=cast("canaries.Kind", kind), percent=percent)


def _promote(shed: Shed, endpoint: str, reason: str) -> None:
    from runners.actions import canaries

    canaries.promote(shed, endpoint, reason)


def _abort(shed: Shed, endpoint: str, reason: str) -> None:
    from runners.actions import canaries

    canaries.abort(shed, endpoint, reason)
