"""What every trial of a sweep runs: the project as it stood when the sweep began, with params of the trial's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from runners.sweeps.search import Search
from storage.errors import RunFailed
from storage.shed import Shed
from storage.tables import Sweep
from storage.write.runs import NewRun

if TYPE_CHECKING:
    from runners.launching import Launch

SURROUNDINGS = ("diff.patch", "environment.json")


@dataclass(frozen=True)
class Frozen:
    """A run of the project with its own params, and the content of the dataset version that it is trained on."""

    base: NewRun
    content: str

    def run(self, name: str, params: Mapping[str, Any], *, until: str | None, sweep: tuple[int, int]) -> NewRun:
        """A run with these params; `sweep` is the sweep and the number of the trial."""
        from runners import launching  # half a second that a list of sweeps does without

        base = replace(self.base, until=until)
        spec, identity = launching.with_params(base, self.content, dict(params))
        return replace(
            base,
            name=name,
            spec=spec,
            identity=identity,
            params=spec["train"]["params"],
            tags=(f"sweep-{sweep[0]}",),
            sweep_id=sweep[0],
            trial=sweep[1],
        )

    @property
    def params(self) -> dict[str, Any]:
        """The project's own params."""
        found: dict[str, Any] = self.base.spec["train"]["params"]
        return found

    def to_json(self) -> dict[str, Any]:
        return {"base": vars(self.base) | {"params": dict(self.base.params), "tags": []}, "content": self.content}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Frozen:
        return cls(NewRun(**{**found["base"], "tags": ()}), found["content"])


@dataclass(frozen=True)
class Orders:
    """A sweep's row in words: what it looks for, what it runs, and the request in which its user asked for it.

    `final_run` takes the best trial through the gate, where that was asked.
    """

    search: Search
    frozen: Frozen
    request: str = ""
    final_run: int | None = None

    @property
    def identity(self) -> str:
        """The hash of all that a person asked for: an agent carries out no other."""
        text = json.dumps([self.search.to_json(), self.frozen.to_json()], sort_keys=True)
        return blake3(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "search": self.search.to_json(),
            "frozen": self.frozen.to_json(),
            "request": self.request,
            "final_run": self.final_run,
        }

    @classmethod
    def of(cls, sweep: Sweep) -> Orders:
        """Raises RunFailed when the row does not say them."""
        plan = sweep.plan
        try:
            search, frozen = Search.from_json(plan["search"]), Frozen.from_json(plan["frozen"])
            return cls(search, frozen, plan["request"], plan.get("final_run"))
        except (KeyError, TypeError, ValueError) as err:
            raise RunFailed(f"sweep {sweep.id} does not say what it does: {err}") from err


def frozen_of(shed: Shed, launch: Launch) -> Frozen:
    from runners import launching

    return Frozen(launching.new_run(shed, launch), launch.added.version.content)


def hand_on(shed: Shed, sweep_id: int, run_id: int) -> None:
    """Give a trial's run what surrounds the sweep: its diff, its environment."""
    source, target = shed.sweep_dir(sweep_id), shed.make_dir(shed.run_dir(run_id))
    for name in SURROUNDINGS:
        path: Path = source / name
        if path.exists():
            (target / name).write_bytes(path.read_bytes())
