"""What can be done with an endpoint: serve a model, stop it, its tokens, its log, a request to try."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from screens.acting import Acting
from screens.dialogs import Agreeing, Asking, Reading
from screens.ink import Line, Span, line, span

if TYPE_CHECKING:
    from runners.actions.endpoints import EndpointStatus, Started
    from runners.actions.predictions import Prediction
    from storage.shed import Shed

OWN = ("stop", "log", "accesses", "tokens")  # of the endpoint under the cursor


class EndpointVerbs(Acting):
    """Actions on the endpoint that is looked at."""

    @property
    def endpoint(self) -> EndpointStatus | None:
        """The one that is looked at."""
        raise NotImplementedError

    @property
    def prediction(self) -> Prediction | None:
        """One of its predictions."""
        raise NotImplementedError

    def why_not(self, name: str) -> str:
        endpoint = self.endpoint
        if name in (*OWN, "copy") and endpoint is None:
            return "There is no endpoint yet: n serves a model."
        if name == "stop" and endpoint is not None and endpoint.state == "stopped":
            return f"{endpoint.name} is stopped already; n starts it."
        return super().why_not(name)

    def do_start(self) -> None:
        stopped = self.endpoint is not None and self.endpoint.state in ("stopped", "dead")
        known = self.endpoint.name if self.endpoint is not None and stopped else self.shell.project or ""

        def start(answer: str | None) -> None:
            if answer:
                self.shell.run_worker(self._start(answer))

        told: list[Line] = [
            [Span("A model of the registry. It is served at 127.0.0.1 from now on, whoever logs out.")],
            [Span("trainshed endpoints start MODEL --port PORT --alias ALIAS", "dim")],
        ]
        self.shell.push_screen(Asking("serve a model", known, lines=told, placeholder="model", needed=True), start)

    async def _start(self, name: str) -> None:
        from screens.threads import beside
        from storage.errors import TrainshedError

        shed = self.shell.shed
        if shed is None:
            return
        self.shell.say(f"{name} is loaded and tried …")
        try:
            found = await beside(lambda: _start(shed, name))
        except TrainshedError as err:
            self.shell.tell(err)
            return
        if found.token:
            self.shell.push_screen(Reading(f"{name} serves", lambda _width: welcome(found), copies=found.token))
        else:
            self.shell.say(f"{found.model} v{found.version} serves at {found.url}")

    def do_stop(self) -> None:
        endpoint = self.endpoint
        assert endpoint is not None  # why_not has seen to it

        async def stop(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _stop(shed, endpoint.name), f"{endpoint.name} is stopped")

        told: list[Line] = [
            line(span(endpoint.name, "bold"), " answers what it has taken, and then nobody any more."),
            [Span("n starts it again, at the same address, with the same tokens.", "dim")],
        ]
        self.shell.push_screen(Agreeing(f"stop {endpoint.name}", told, verb="stop it", dangerous=True), stop)

    def do_log(self) -> None:
        if self.endpoint is not None:
            from screens.endpoint_log import EndpointLog

            self.shell.push_screen(EndpointLog(self.endpoint.name))

    def do_accesses(self) -> None:
        if self.endpoint is not None:
            from screens.accesses import AccessesPage

            self.shell.push_screen(AccessesPage(self.endpoint.name))

    def do_tokens(self) -> None:
        if self.endpoint is not None:
            from screens.tokens import TokensPage

            self.shell.push_screen(TokensPage(self.endpoint.name))

    def do_copy(self) -> None:
        endpoint, prediction = self.endpoint, self.prediction
        if endpoint is not None:
            self.shell.copy(request(endpoint, prediction))


def request(endpoint: EndpointStatus, prediction: Prediction | None) -> str:
    """A command that asks the endpoint for this prediction again."""
    body = json.dumps(prediction.inputs if prediction is not None else {}, ensure_ascii=False).replace("'", "'\\''")
    return f"curl {endpoint.url}/predict -H \"Authorization: Bearer $TOKEN\" --json '{body}'"


def welcome(found: Started) -> list[Line]:
    """What a new endpoint's owner has to know; the token is told this once."""
    return [
        line(span(f"{found.model} v{found.version}", "bold"), f" serves at {found.url}"),
        [],
        [Span("Its token, told only now:", "dim")],
        [span(found.token, "accent bold")],
        [],
        [Span("Ask it:", "dim")],
        [span(f'curl {found.url}/predict -H "Authorization: Bearer $TOKEN" --json @record.json')],
        line(Span(f"{found.url}/schema", ""), Span("  has a record to try", "dim")),
        [],
        line(Span("y", "accent"), Span(" copies the token", "dim")),
    ]


def _start(shed: Shed, name: str) -> Started:
    from runners.actions import endpoints
    from storage.read import endpoints as read_endpoints

    known = read_endpoints.find(shed, name)
    return endpoints.start(shed, known.model if known is not None else name, name=name)


def _stop(shed: Shed, name: str) -> None:
    from runners.actions import endpoints

    endpoints.stop(shed, name)
