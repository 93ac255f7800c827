"""What the supervisor of an endpoint tells its workers of a second version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a worker has to know of a rollout. `folder` is where the workers' samples go."""

    rollout: int
    kind: str
    version: dict[str, Any]
    rules: dict[str, Any]
    folder: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
