"""`[serve.canary]` of trainshed.toml: which requests a second version answers, and when it is taken or given up."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from storage.sections import Section, kept


def of_rollout(endpoint: str, rules: dict[str, Any]) -> CanarySection:
    """The rules that a canary, split or shadow was started with, maybe by another version of trainshed.

    Raises:
        UsageError: when this version does not understand them.
    """
    place = f'the rules of what goes on at endpoint "{endpoint}"'
    return kept(CanarySection, rules, place=place, todo="upgrade trainshed")


class CanarySection(Section):
    """`[serve.canary]`, and what an A/B split or a shadow goes by.

    Attributes:
        percent: of the requests, drawn by chance, or by `key` where one is given.
        key: an input column: requests whose (first) row has the same value there always reach the same version.
        header: a request header: requests that carry it with the value `always` reach the second version, no others.
        minutes: how long the canary answers before it is promoted.
        min_requests: on either side; with fewer it goes on until there are so many.
        max_errors: by how much its share of failed requests may exceed production's.
        max_slower: how many times production's latency its own may be, at the median and at the 99th percentile.
        max_shift: how far apart the distributions of predictions may be (Kolmogorov–Smirnov, 0 to 1).
    """

    percent: Annotated[float, Field(gt=0, le=100)] = 10.0
    key: str | None = None
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-]{1,100}$")] | None = None
    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] = 30.0
    min_requests: Annotated[int, Field(ge=1)] = 200
    max_errors: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_slower: Annotated[float, Field(ge=1, le=1000)] = 1.5
    max_shift: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> CanarySection:
        if self.header is not None and self.key is not None:
            raise ValueError("key and header exclude each other")
        return self
