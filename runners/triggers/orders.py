"""What a person told their agent to watch for, kept in that person's own directory like the request of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.agency import requests
from runners.agency.home import Home
from storage import sections
from storage.errors import RunFailed
from storage.tables import Trigger
from storage.trigger_section import TriggerSection


@dataclass(frozen=True)
class Orders:
    """A trigger's settings, its project's directory, and the environment that its runs are to have."""

    project_dir: Path
    spec: TriggerSection
    env: Mapping[str, str]


def said(spec: TriggerSection) -> dict[str, Any]:
    """What stands in the file of a trigger, without the defaults."""
    return spec.model_dump(mode="json", exclude_unset=True)


def keep(home: Home, orders: Orders) -> str:
    """Write the orders down, readable by their user alone; returns their digest."""
    text = json.dumps(said(orders.spec), sort_keys=True)
    return requests.keep(home, requests.of_command(["trigger", text], orders.project_dir, orders.env))


def find(home: Home, trigger: Trigger) -> Orders:
    """The orders that a trigger's row names.

    Raises:
        RunFailed: when this user never gave them.
        UsageError: when another version of trainshed wrote them, and this one does not understand them.
    """
    todo = _anew(trigger)
    try:
        request = requests.find(home, trigger.request)
    except RunFailed as err:
        raise RunFailed("its user never gave these orders", place=f"trigger {trigger.id}", todo=todo) from err
    if request.command[:1] != ["trigger"] or request.cwd != trigger.project_dir:
        raise RunFailed("its row is not what was ordered", place=f"trigger {trigger.id}", todo=todo)
    return Orders(Path(request.cwd), _understood(trigger, json.loads(request.command[1])), request.env)


def settings(trigger: Trigger) -> TriggerSection:
    """What its row says that it was told; its orders are what counts.

    Raises:
        UsageError: when another version of trainshed wrote the row, and this one does not understand it.
    """
    return _understood(trigger, trigger.spec)


def _understood(trigger: Trigger, said: object) -> TriggerSection:
    todo = f"update trainshed, or {_anew(trigger)}"
    return sections.kept(TriggerSection, said, place=f"trigger {trigger.id}", todo=todo)


def _anew(trigger: Trigger) -> str:
    return f"`trainshed triggers add -p {trigger.project_dir}` gives its settings anew"
