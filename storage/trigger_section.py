"""`[[trigger]]` and `[alerts]` of trainshed.toml: what sets off a run without anybody asking, and who is told."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from storage.sections import Fault, Section

On = Literal["new-data", "schedule", "drift", "performance", "code"]
Do = Literal["retrain", "notify", "wait"]
Then = Literal["promote", "canary", "notify", "approve"]
Severity = Literal["info", "warning", "critical"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}$")]
Minutes = Annotated[float, Field(ge=0, le=366 * 24 * 60, allow_inf_nan=False)]

OF_KIND: dict[str, tuple[str, ...]] = {  # the keys that only one kind of trigger has
    "schedule": ("cron", "timezone"),
    "drift": ("psi", "columns", "predictions", "every_minutes", "window_hours", "min_rows"),
    "performance": ("drop", "estimate", "every_minutes", "window_hours", "min_rows"),
    "code": ("branch",),
    "new-data": ("min_rows",),
}
BACKFILL = re.compile(r"last (\d{1,4}) (day|week|month|year)s?")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
ADDRESS = re.compile(r"env:[A-Za-z_]\w*|file:.+")


class TriggerSection(Section):
    """One `[[trigger]]`.

    Attributes:
        name: what it is called; default: its `on`.
        do: `retrain` launches the pipeline, `notify` only tells, `wait` asks a person first.
        then: what becomes of a version that passed the gate: `promote`, `canary`, or production stays, and people are
            told (`notify`) or asked (`approve`). Default: what the project's [gate] and [serve] say.
        cooldown_minutes: it stays quiet for so long after a run of it began.
        most_a_day: runs it may start within 24 hours.
        quiet_seconds: files count once they have not changed for so long.
        backfill: the rows that a run of it learns from: `all`, or such as `last 6 months` by [split] column.
        most_in_a_row: a breaker: so many runs in a row, each begun within an hour of the one before, pause it.
        cron: five fields, in `timezone`.
        min_rows: fewer new rows than this do not count.
        psi: how far a column must have moved (population stability index), beyond chance.
        columns: those that count; default: all inputs of the model.
        predictions: whether drift of what the model predicts counts too.
        drop: how much worse the metric must be than when the model was evaluated, in its own unit, beyond chance.
        estimate: whether an estimate from the model's confidence counts where the truth has not come yet.
        every_minutes: how often drift or performance is measured.
        window_hours: the predictions of so many hours are compared.
        branch: whose new commits count; default: what is checked out.
    """

    on: On
    name: Name | None = None
    do: Do = "retrain"
    then: Then | None = None
    cooldown_minutes: Minutes = 0.0
    most_a_day: Annotated[int, Field(ge=1, le=10_000)] = 24
    quiet_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 5.0
    backfill: str = "all"
    most_in_a_row: Annotated[int, Field(ge=2, le=1000)] = 10
    cron: str | None = None
    timezone: str = "UTC"
    min_rows: Annotated[int, Field(ge=1)] = 1
    psi: Annotated[float, Field(gt=0, le=100)] = 0.25
    columns: list[str] = Field(default_factory=list)
    predictions: bool = True
    drop: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05
    estimate: bool = True
    every_minutes: Annotated[float, Field(ge=0.01, le=7 * 24 * 60)] = 30.0
    window_hours: Annotated[float, Field(gt=0, le=366 * 24)] = 24.0
    branch: str | None = None

    @property
    def called(self) -> str:
        return self.name or self.on

    @property
    def window(self) -> tuple[int, str] | None:
        """The backfill as a number and a unit (day, week, month, year); None for all rows."""
        found = BACKFILL.fullmatch(self.backfill)
        return (int(found[1]), found[2]) if found else None

    @field_validator("backfill")
    @classmethod
    def _all_or_last(cls, value: str) -> str:
        found = BACKFILL.fullmatch(value)
        if value != "all" and (found is None or int(found[1]) == 0):
            raise ValueError('expected "all", or such as "last 6 months" (days, weeks, months, years)')
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from croniter import CroniterBadDateError, croniter

        if len(value.split()) != 5 or not croniter.is_valid(value):
            raise ValueError('expected five fields (minute hour day month weekday), such as "0 6 * * mon-fri"')
        try:
            croniter(value, datetime(2024, 1, 1)).get_next()
        except CroniterBadDateError:
            raise ValueError(f'"{value}" names a day that never comes') from None
        return value

    @model_validator(mode="after")
    def _what_its_kind_needs(self) -> TriggerSection:
        allowed = OF_KIND[self.on]
        for key in sorted(self.model_fields_set):
            kinds = [kind for kind, keys in OF_KIND.items() if key in keys]
            if kinds and key not in allowed:
                raise Fault(f'on = "{self.on}" has no such key; it belongs to on = "{kinds[0]}"', key)
        if self.on == "schedule" and self.cron is None:
            raise ValueError('on = "schedule" needs cron = "0 6 * * *" (minute hour day month weekday)')
        return self


class AlertsSection(Section):
    """`[alerts]`: where alerts go. Addresses are apprise's, and stand in the environment or in a file of mode 0600.

    Attributes:
        to: `env:NAME` or `file:PATH`, each holding one or more addresses.
        least: alerts below this severity are only listed.
        quiet_hours: such as `22:00-07:00` in `timezone`: only critical alerts are sent then, the others after.
        report: when a report is sent, such as `["08:00", "14:00", "20:00"]` in `timezone`.
    """

    to: list[str] = Field(default_factory=list)
    least: Severity = "warning"
    quiet_hours: str | None = None
    report: list[str] = Field(default_factory=list)
    timezone: str = "UTC"

    @field_validator("to")
    @classmethod
    def _never_an_address(cls, value: list[str]) -> list[str]:
        for given in value:
            if not ADDRESS.fullmatch(given):
                raise ValueError(
                    'an address is a secret and does not belong into this file: expected "env:NAME" or "file:PATH"'
                )
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)

    @field_validator("report")
    @classmethod
    def _times(cls, value: list[str]) -> list[str]:
        if not all(CLOCK.fullmatch(each) for each in value):
            raise ValueError('expected times of the day, such as ["08:00", "14:00", "20:00"]')
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _from_to(cls, value: str | None) -> str | None:
        ends = value.split("-") if value is not None else []
        if value is not None and (len(ends) != 2 or not all(CLOCK.fullmatch(end.strip()) for end in ends)):
            raise ValueError('expected such as "22:00-07:00"')
        return value


def checked_zone(value: str) -> str:
    """Return `value` when it names a time zone. Raises ValueError."""
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError(f'{value!r} is no time zone; expected such as "Europe/Berlin"') from None
    return value
