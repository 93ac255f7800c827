"""Serving a second version beside an endpoint's own: begin a canary, promote it, give it up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from screens.acting import Acting
from screens.dialogs import Agreeing, Asking
from screens.ink import Line, Span, line, span
from screens.widgets.rollout import NAMES, rollout_told
from storage.errors import UsageError

if TYPE_CHECKING:
    from runners.actions.canaries import Kind, Standing
    from runners.actions.endpoints import EndpointStatus
    from storage.shed import Shed

WIDE = 84
TITLES = {
    "canary": "try another version",
    "shadow": "ask another version beside",
    "ab": "split the requests between two versions",
}
EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "canary": [
        ("candidate", "as [serve.canary] says, ended by itself"),
        ("v7 20", "answers 20 % of the requests"),
        ("v7 20 key=carrier", "20 % of the values of a column"),
        ("v7 header=X-Try", "requests with this header"),
    ],
    "shadow": [
        ("candidate", "is asked the same; its answers are only compared"),
        ("v7 20", "20 % of the requests"),
    ],
    "ab": [
        ("candidate", "answers half of the requests, until somebody decides"),
        ("v7 20", "20 % of them"),
        ("v7 50 key=carrier", "half of the values of a column"),
    ],
}
REPORTED = ("shadow", "ab")


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
        if name in TITLES and (endpoint is None or endpoint.state != "serving"):
            return "A second version needs an endpoint that serves."
        if name in TITLES and going and rollout is not None:
            return f"v{rollout.version} is tried already: p promotes it, A gives it up."
        if name == "report" and (rollout is None or rollout.kind not in REPORTED):
            return "Only a shadow or an A/B split has a report: s and b begin one."
        if name in ("promote", "abort") and not going:
            return "No second version is tried: c begins a canary."
        return super().why_not(name)

    def do_canary(self) -> None:
        self._try("canary")

    def do_shadow(self) -> None:
        self._try("shadow")

    def do_ab(self) -> None:
        self._try("ab")

    def _try(self, kind: Kind) -> None:
        endpoint = self.endpoint
        assert endpoint is not None  # why_not has seen to it

        def begin(answer: str | None) -> None:
            if answer:
                told = f"{answer.split()[0]} is tried first"
                self.shell.run_worker(
                    self.shell.carry_out(lambda shed: _start(shed, endpoint.name, kind, answer), told)
                )

        width = max(len(example) for example, _ in EXAMPLES[kind]) + 2
        told: list[Line] = [
            *(line(Span(example.ljust(width), "accent"), Span(about, "dim")) for example, about in EXAMPLES[kind]),
            [],
            [span(f"trainshed endpoints {kind} start {endpoint.name}", "dim")],
        ]
        self.shell.push_screen(Asking(TITLES[kind], "candidate", lines=told, needed=True), begin)

    def do_report(self) -> None:
        from screens.page import Page
        from screens.rollout_report import report

        endpoint, rollout = self.endpoint, self.rollout
        assert endpoint is not None and rollout is not None
        name, kind = endpoint.name, rollout.kind
        self.shell.push_screen(Page(f"{name}: {NAMES[kind]}", lambda shed: report(shed, name, kind), "serving"))

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


def asked(answer: str) -> tuple[str, dict[str, Any]]:
    """`v7 20 key=carrier` → version and rules, in any order behind the version.

    Raises:
        UsageError: for a word that is none of these.
    """
    version, *words = answer.split()
    rules: dict[str, Any] = {}
    for word in words:
        number, (name, _, value) = word.removesuffix("%"), word.partition("=")
        if name in ("key", "header") and value:
            rules[name] = value
        elif number.replace(".", "", 1).isdecimal():
            rules["percent"] = float(number)
        elif word != "%":
            raise UsageError(f'"{word}" is no share of the requests', expected="such as 20, key=COLUMN or header=NAME")
    return version, rules


def _start(shed: Shed, endpoint: str, kind: Kind, answer: str) -> None:
    from runners.actions import canaries

    version, rules = asked(answer)
    canaries.start(shed, endpoint, version=version, kind=kind, **rules)


def _promote(shed: Shed, endpoint: str, reason: str) -> None:
    from runners.actions import canaries

    canaries.promote(shed, endpoint, reason)


def _abort(shed: Shed, endpoint: str, reason: str) -> None:
    from runners.actions import canaries

    canaries.abort(shed, endpoint, reason)
