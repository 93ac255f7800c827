"""`[sweep]` of trainshed.toml: which params are tried, by which sampler, and what ends a trial early."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from storage.errors import UsageError
from storage.names import checked_metric_name
from storage.sections import Fault, Section

Direction = Literal["maximize", "minimize"]
Sampler = Literal["tpe", "random", "grid", "cmaes"]
Pruner = Literal["asha", "median", "none"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Dimension(Section):
    """One entry of `[sweep.space]`: a range, or the values that are tried. `log`: evenly in the logarithm."""

    low: Finite | None = None
    high: Finite | None = None
    log: bool = False
    step: Positive | None = None
    values: list[Any] | None = None

    @model_validator(mode="after")
    def _range_or_values(self) -> Dimension:
        if self.values is not None:
            if self.low is not None or self.high is not None or self.log or self.step is not None:
                raise ValueError("give either a list of values, or low and high")
            if not self.values:
                raise ValueError("the list of values is empty")
        elif self.low is None or self.high is None:
            raise ValueError("expected low and high, or a list of values")
        elif self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        elif self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        elif self.log and self.step is not None:
            raise ValueError("log and step contradict each other")
        return self


class SweepSection(Section):
    """`[sweep]`: a search over params. What is left out is found when a sweep starts.

    Attributes:
        metric: a series that training logs, or `test/…`; default: the gate's metric on the validation rows.
        value: which point of the series is the trial's result.
        warmup: how many points a trial may log before it can be pruned.
        trials: how many are tried; default: 20, and all of a grid.
        parallel: how many at once; default: as many as the machine has room for.
        timeout_minutes: after so long no further trial begins.
        finish: whether the best trial goes on through evaluate, package and gate.
    """

    metric: str | None = None
    direction: Direction | None = None
    value: Literal["last", "best"] = "last"
    sampler: Sampler = "tpe"
    pruner: Pruner | None = None
    warmup: Annotated[int, Field(ge=1)] = 1
    trials: Annotated[int, Field(ge=1, le=100_000)] | None = None
    parallel: Annotated[int, Field(ge=1, le=1000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    timeout_minutes: Positive | None = None
    finish: Literal["none", "best"] = "none"
    space: dict[str, Dimension]

    @field_validator("metric")
    @classmethod
    def _a_metric(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return checked_metric_name(value)
        except UsageError as err:
            raise ValueError(f"{err.message}; expected {err.expected}") from None

    @field_validator("space", mode="before")
    @classmethod
    def _lists_are_values(cls, space: Any) -> Any:
        if not isinstance(space, dict):
            return space
        if not space:
            raise ValueError("no param to try: lr = { low = 1e-4, high = 1e-2, log = true }, or width = [32, 64]")
        for name, given in space.items():
            if not isinstance(given, (list, dict, Dimension)):
                raise Fault(f"expected a list of values, or {{ low = …, high = … }}, not {given!r}", name)
        return {name: {"values": given} if isinstance(given, list) else given for name, given in space.items()}

    @model_validator(mode="after")
    def _sampler_fits(self) -> SweepSection:
        ranges = [name for name, dimension in self.space.items() if dimension.values is None]
        if self.sampler == "cmaes" and len(ranges) < 2:
            raise Fault('"cmaes" needs at least two ranges { low = …, high = … } in the space', "sampler")
        return self
