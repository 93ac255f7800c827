"""`[checks]` of trainshed.toml: what must hold for the data before anything is trained on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from storage.sections import Entry, Fault, Scalar, Section, Text

ColumnType = Literal["integer", "number", "text", "boolean", "timestamp", "date", "other"]
OnFail = Literal["stop", "warn"]


class ColumnCheck(Section):
    """One entry of `[checks] columns`: the bounds a column must keep. `nulls` is the largest share of nulls, 0 to 1."""

    type: ColumnType | None = None
    min: float | None = None
    max: float | None = None
    nulls: Annotated[float, Field(ge=0, le=1)] | None = None
    within: list[Scalar] | None = Field(default=None, alias="in")
    matches: Text | None = None
    unique: bool = False
    on_fail: OnFail = "stop"

    @model_validator(mode="after")
    def _can_hold(self) -> ColumnCheck:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Fault(f"min = {self.min:g} is above max = {self.max:g}, so no value can hold", "min")
        if self.within is not None and not self.within:
            raise Fault("the list is empty, so no value can hold", "in")
        if self.matches is not None:
            from storage.sql import no_pattern  # a project without patterns does not wait for DuckDB

            fault = no_pattern(self.matches)
            if fault:
                raise Fault(f"no regular expression that DuckDB (RE2) knows: {fault}", "matches")
        return self


class SqlCheck(Section):
    """One entry of `[checks] sql`: rows that the query returns are failures."""

    query: Text
    on_fail: OnFail = "stop"


def _long_or_short(value: Any) -> str:
    return "(table)" if isinstance(value, (dict, SqlCheck)) else "(text)"


# Told apart by hand: pydantic would try both, and tell the faults of both.
SqlEntry = Annotated[
    Annotated[Text, Tag("(text)")] | Annotated[SqlCheck, Tag("(table)")], Discriminator(_long_or_short)
]


class ChecksSection(Section):
    """`[checks]`: what must hold for the data before anything is trained on it."""

    columns: dict[str, ColumnCheck] = Field(default_factory=dict)
    sql: dict[str, SqlEntry] = Field(default_factory=dict)
    min_rows: Annotated[int, Field(ge=0)] = 1
    module: Entry | None = None
    module_on_fail: OnFail = "stop"

    @property
    def sql_checks(self) -> dict[str, SqlCheck]:
        """Every SQL check in its long form."""
        return {k: SqlCheck(query=v) if isinstance(v, str) else v for k, v in self.sql.items()}
