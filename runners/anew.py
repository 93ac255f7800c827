"""A stage that does its work anew, whatever the cache holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.pipeline import Context, Stage


@dataclass
class Anew:
    """`stage`, for a run that proves something by doing it again: no earlier result stands in for it."""

    stage: Stage

    def __post_init__(self) -> None:
        self.NAME = self.stage.NAME
        self.VERSION = self.stage.VERSION

    def skipped(self, context: Context) -> str:
        return self.stage.skipped(context)

    def inputs(self, context: Context) -> dict[str, Any]:
        return {**self.stage.inputs(context), "anew": context.run_id}

    def work(self, context: Context, out: Path) -> dict[str, Any]:
        return self.stage.work(context, out)

    def summary(self, facts: dict[str, Any]) -> str:
        return self.stage.summary(facts)
