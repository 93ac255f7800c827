"""The supervisor's part in a rollout: its version is tried, asked by every worker, judged, and taken or given up.

The row says what goes on and the workers' samples what was measured, so that a supervisor that comes after a kill -9
goes on where this one was.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runners.actions import models
from runners.serving import alarms, following, judging, samples
from runners.serving.crew import Crew, Said
from runners.serving.plan import Plan
from runners.serving.samples import Side
from runners.serving.session import Version
from storage.errors import TrainshedError
from storage.read import models as read_models
from storage.read import rollouts as read_rollouts
from storage.read.changes import Changes
from storage.rollout_section import of_rollout
from storage.serve_section import of_endpoint
from storage.shed import Shed
from storage.tables import Endpoint, ModelVersion, Rollout
from storage.trigger_section import Severity
from storage.write import rollouts as write_rollouts

JUDGE_S = 0.25
Tell = Callable[[str], None]


class Second:
    """What an endpoint serves beside its own version, if anything."""

    def __init__(
        self, shed: Shed, endpoint: Endpoint, crew: Crew, tried: dict[str, Version], tell: Tell, log: Any
    ) -> None:
        self._shed = shed
        self._endpoint = endpoint
        self._crew = crew
        self._tried = tried
        self._tell = tell
        self._log = log
        self._rules = of_endpoint(endpoint.name, endpoint.settings)
        self._changes = Changes(shed)
        self._seen = -1
        self._row: Rollout | None = None
        self._trial: following.Trial | None = None
        self._version: ModelVersion | None = None
        self._judge_at = 0.0
        self._warned = False

    def turn(self, named: ModelVersion | None) -> None:
        """Do what is due. `named` is the version that the endpoint's alias names."""
        if self._changes.version() != self._seen:
            self._seen = self._changes.version()
            self._follow(read_rollouts.going(self._shed, self._endpoint.name))
        if self._row is None or self._version is None or named is None:
            return
        if named.id != self._row.against_id:
            self._overtaken(named)
        elif self._trial is not None:
            self._try()
        elif self._row.routed_at is not None and self._row.kind == "canary" and time.monotonic() >= self._judge_at:
            self._judge_at = time.monotonic() + JUDGE_S
            self._judge()

    def heard(self, said: Said) -> None:
        """A worker serves it too, or cannot."""
        if self._row is None or self._version is None or said.digest != self._version.digest:
            return
        if said.refused:
            self._give_up(f"a worker could not load it: {said.refused}")
        elif self._row.routed_at is None and all(place.beside == said.digest for place in self._crew.places):
            write_rollouts.routed(self._shed, self._row.id or 0)

    def close(self) -> None:
        if self._trial is not None:
            self._trial.end()

    def _follow(self, row: Rollout | None) -> None:
        if self._row is not None and (row is None or row.id != self._row.id):
            self._let_go()
        if row is not None and self._row is None:
            _, self._version = read_models.version_by_id(self._shed, row.version_id)
            version, rows = following.described(self._shed, row.model, self._version)
            self._trial = following.Trial.begin(version, rows, self._rules, self._log)
            self._warned = False
        self._row = row

    def _try(self) -> None:
        assert self._trial is not None and self._row is not None
        found = self._trial.verdict()
        if found is None:
            return
        self._trial = None
        passed, why = found
        if passed is None:
            self._give_up(why)
            return
        self._tried[passed.digest] = passed  # once promoted it need not be tried again
        self._ask(passed)

    def _ask(self, version: Version) -> None:
        """Have the workers answer a part of the requests with it."""
        assert self._row is not None and self._row.id is not None
        folder = samples_dir(self._shed, self._row)
        self._shed.make_dir(folder)
        self._crew.tell_beside(Plan(self._row.id, self._row.kind, version.to_json(), self._row.rules, str(folder)))
        self._tell(f"v{version.number} serves too, as {self._row.kind}")

    def _judge(self) -> None:
        assert self._row is not None and self._row.routed_at is not None
        rules = of_rollout(self._row.endpoint, self._row.rules)
        sides = samples.together(samples_dir(self._shed, self._row))
        elapsed_s = time.time() - self._row.routed_at
        verdict = judging.judge(rules, *sides, elapsed_s, self._row.looks)
        if verdict.decision == "promote":
            self._promote(verdict.reason, sides)
        elif verdict.decision == "abort":
            self._give_up(verdict.reason)
        elif verdict.looks != self._row.looks:
            write_rollouts.looked(self._shed, self._row.id or 0, verdict.looks)
        elif verdict.reason and not self._warned:
            self._warned = True
            self._alert("waits", "warning", f"cannot be judged yet: {verdict.reason}", sides)

    def _promote(self, reason: str, sides: tuple[Side, Side]) -> None:
        assert self._row is not None and self._version is not None
        row = self._row
        try:
            models.promote(
                self._shed,
                row.model,
                f"v{self._version.number}",
                alias=self._endpoint.alias,
                override=row.override or None,
                reason=f"canary: {reason}",
            )
        except TrainshedError as err:
            self._give_up(err.message)
            return
        self._end("promoted", reason, sides, "info", f"is {self._endpoint.alias} now: {reason}")

    def _overtaken(self, named: ModelVersion) -> None:
        """The alias has moved: to it, by our own hand before a kill -9 or by a person's, or to yet another version."""
        assert self._row is not None and self._version is not None
        alias = self._endpoint.alias
        if named.id == self._row.version_id:
            moved = read_models.history(self._shed, self._row.model)[-1]
            reason = f"by {moved.user}" + (f": {moved.reason}" if moved.reason else "")
            self._end("promoted", reason, None, "info", f"is {alias} now, {reason}")
        else:
            self._give_up(f"{alias} moved to v{named.number} meanwhile")

    def _give_up(self, why: str) -> None:
        assert self._row is not None
        sides = samples.together(samples_dir(self._shed, self._row))
        self._end("aborted", why, sides, "warning", f"was given up: {why}")

    def _end(self, status: str, reason: str, sides: tuple[Side, Side] | None, severity: Severity, told: str) -> None:
        assert self._row is not None
        found = sides or samples.together(samples_dir(self._shed, self._row))
        if write_rollouts.end(self._shed, self._row.id or 0, status, reason, figures(found)):
            self._alert(status, severity, told, found)
        self._let_go()

    def _alert(self, what: str, severity: Severity, told: str, sides: tuple[Side, Side]) -> None:
        assert self._row is not None and self._version is not None
        self._tell(f"{self._row.kind} v{self._version.number} {told}")
        key, told = f"rollout {self._row.id} {what}", f"{self._row.kind} v{self._version.number} {told}"
        alarms.raised(self._shed, self._endpoint, key, severity, told, judging.told(*sides))

    def _let_go(self) -> None:
        """It is over, and its row says how."""
        self.close()
        self._crew.tell_beside(None)
        if self._row is not None:
            shutil.rmtree(samples_dir(self._shed, self._row), ignore_errors=True)
        self._row = self._trial = self._version = None


def samples_dir(shed: Shed, row: Rollout) -> Path:
    """Where the workers of a rollout's endpoint leave what they measure."""
    return shed.endpoint_dir(row.endpoint) / f"rollout-{row.id}"


def figures(sides: tuple[Side, Side]) -> dict[str, Any]:
    """Both sides as they are kept with a rollout's end: `production`, `second`, and how far predictions are apart."""
    told = [
        {
            "requests": side.requests,
            "errors": side.errors,
            "dropped": side.dropped,
            "p50_ms": side.latency(0.5),
            "p99_ms": side.latency(0.99),
        }
        for side in sides
    ]
    return {"production": told[0], "second": told[1], "shift": judging.distance(sides[0].values, sides[1].values)}
