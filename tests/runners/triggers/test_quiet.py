"""Quiet hours, by the clocks of a zone and over midnight."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from runners.alerting.quiet import quiet_until
from runners.alerting.sending import send


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def until(hours: str | None, now: str) -> float | None:
    return quiet_until(hours, "Europe/Berlin", at(now))


def test_quiet_hours_end_in_the_morning() -> None:
    assert until("22:00-07:00", "2026-01-10T23:30") == at("2026-01-11T07:00")
    assert until("22:00-07:00", "2026-01-11T06:59") == at("2026-01-11T07:00")
    assert until("22:00-07:00", "2026-01-11T07:00") is None
    assert until("12:00-13:00", "2026-01-11T12:30") == at("2026-01-11T13:00")
    assert until(None, "2026-01-11T12:30") is None


def test_why_an_alert_could_not_be_sent_never_tells_the_address() -> None:
    told = send("json://user:hush@127.0.0.1:9/secrettoken", title="t", body="b", severity="info")
    assert told and "hush" not in told and "secrettoken" not in told
    assert "apprise does not know" in send("nonsense", title="t", body="b", severity="info")
