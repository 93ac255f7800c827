"""Alerts on their way: received by real sinks once, retried while these are down, held in quiet hours; reports."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runners.agency.home import Home
from runners.alerting import addresses
from runners.alerting.courier import Courier
from runners.alerting.reporting import due
from runners.triggers.breaking import break_off
from storage.read import alerts as read_alerts
from storage.shed import Shed, current_user, open_shed
from storage.tables import Alert
from storage.trigger_section import AlertsSection, Severity
from storage.write import alerts as write_alerts
from tests.runners.alerting.sinks import HttpSink, SmtpSink, http_sink, smtp_sink
from tests.runners.triggers.watched import Clock, watched
from tests.scenes import run_of
from tests.waiting import until


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_shed(tmp_path / "shed")


@pytest.fixture
def http() -> Iterator[HttpSink]:
    with http_sink() as sink:
        yield sink


@pytest.fixture
def smtp() -> Iterator[SmtpSink]:
    with smtp_sink() as sink:
        yield sink


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Post:
    """A courier that works when it is told to, by a clock that stands."""

    def __init__(self, shed: Shed, tmp_path: Path, to: str, now: float, **section: Any) -> None:
        home = Home(shed)
        said = AlertsSection.model_validate({"to": ["env:TO"], **section})
        assert not addresses.keep(home, "delays", said, tmp_path, {"TO": to})
        self.clock = Clock(now)
        self.courier = Courier(shed, home, current_user(), socket.gethostname(), self.clock)
        self.courier.close()  # its thread: the test calls what that would
        self.shed = shed

    def round(self) -> None:
        self.courier.make_reports()
        self.courier.send_what_is_due()

    def alerts(self) -> list[Alert]:
        return read_alerts.every(self.shed)


def trouble(shed: Shed, severity: Severity = "warning", key: str = "drift") -> None:
    write_alerts.raise_alert(
        shed, project="delays", key=key, severity=severity, title="delays: <b>distance</b> shifted",
        body="PSI 0.61", subject="firing 3",
    )  # fmt: skip


def test_a_webhook_gets_each_trouble_once_and_after_it_was_down(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    post = Post(shed, tmp_path, http.address, time.time())
    http.up = False
    trouble(shed)
    trouble(shed)
    post.round()
    (alert,) = post.alerts()
    assert (alert.count, alert.delivery, alert.tries) == (2, "pending", 1) and "503" in alert.error
    assert "hush" not in alert.error
    http.up = True
    post.round()
    assert not http.taken  # not before its pause is over
    post.clock.now += 5
    post.round()
    post.round()
    assert [each["title"] for each in http.taken] == ["[warning] delays: <b>distance</b> shifted"]
    assert post.alerts()[0].delivery == "sent"


def test_mail_arrives_once_as_text_and_after_the_server_was_down(shed: Shed, tmp_path: Path, smtp: SmtpSink) -> None:
    post = Post(shed, tmp_path, smtp.address, time.time())
    smtp.up = False
    trouble(shed, "critical")
    post.round()
    (alert,) = post.alerts()
    assert alert.delivery == "pending" and alert.error and "ana" not in alert.error
    smtp.up = True
    post.clock.now += 5
    post.round()
    post.round()
    (mail,) = smtp.taken
    assert mail["Subject"] == "[critical] delays: <b>distance</b> shifted" and "ana@example.org" in mail["To"]
    body = mail.get_body(("plain",))
    assert body is not None and "PSI 0.61" in body.get_content() and "firing 3" in body.get_content()


def test_of_several_addresses_only_those_that_missed_it_are_tried_again(
    shed: Shed, tmp_path: Path, http: HttpSink, smtp: SmtpSink
) -> None:
    post = Post(shed, tmp_path, f"{http.address} {smtp.address}", time.time())
    smtp.up = False
    trouble(shed)
    post.round()
    smtp.up = True
    post.clock.now += 5
    post.round()
    assert (len(http.taken), len(smtp.taken)) == (1, 1) and post.alerts()[0].delivery == "sent"


def test_in_quiet_hours_only_what_is_critical_is_sent(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    post = Post(shed, tmp_path, http.address, at("2031-03-01T23:00"), quiet_hours="22:00-07:00")
    trouble(shed, "warning")
    trouble(shed, "critical", key="broke")
    post.round()
    assert [each["type"] for each in http.taken] == ["failure"]
    post.clock.now = at("2031-03-02T07:01")
    post.round()
    assert [each["type"] for each in http.taken] == ["failure", "warning"]


def test_what_is_less_than_wanted_is_only_listed(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    post = Post(shed, tmp_path, http.address, at("2031-03-01T12:00"))
    trouble(shed, "info")
    post.round()
    assert not http.taken and post.alerts()[0].delivery == "listed"


def test_a_report_is_made_at_its_times_once_and_missed_ones_are_one(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    post = Post(
        shed, tmp_path, http.address, at("2031-03-01T07:59"),
        report=["08:00", "14:00", "20:00"], quiet_hours="22:00-09:00", least="critical",
    )  # fmt: skip
    run_of(shed, "delays")
    post.clock.now = at("2031-03-01T08:01")
    post.round()
    post.round()
    (report,) = http.taken
    assert report["title"] == "delays: report of 2031-03-01 08:00 UTC"
    assert "production: nothing yet" in report["message"] and "runs: none ended" in report["message"]
    post.clock.now = at("2031-03-02T15:00")  # three were missed
    post.round()
    assert [each["title"][-20:] for each in http.taken[1:]] == ["2031-03-02 14:00 UTC"]
    post.clock.now = at("2031-03-01T09:00")  # the clock was put back
    post.round()
    assert len(http.taken) == 2
    assert read_alerts.unacknowledged(shed) == 0


def test_reports_are_due_by_the_clocks_of_their_zone() -> None:
    found = due(["08:00", "20:00"], "Europe/Berlin", at("2031-07-01T06:30"))
    assert found == (at("2031-07-01T06:00"), at("2031-06-30T18:00"))
    assert due(["08:00"], "UTC", at("2031-07-01T21:00")) is None  # nobody was there all day
    assert due([], "UTC", at("2031-07-01T21:00")) is None


def test_a_courier_at_work_sends_when_it_is_told(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    said = AlertsSection.model_validate({"to": ["env:TO"]})
    home = Home(shed)
    addresses.keep(home, "delays", said, tmp_path, {"TO": http.address})
    trouble(shed)
    courier = Courier(shed, home, current_user(), socket.gethostname())
    courier.knock()
    until(lambda: http.taken)
    until(lambda: courier.idle)
    courier.close()


def test_addresses_stand_in_a_file_that_nobody_else_may_read(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    home, secret = Home(shed), tmp_path / "addresses"
    secret.write_text(f"# the team's\n{http.address}\n")
    said = AlertsSection.model_validate({"to": ["file:addresses"]})
    secret.chmod(0o640)
    (warning,) = addresses.keep(home, "delays", said, tmp_path, {})
    assert "others may read these addresses" in warning and "hush" not in warning
    secret.chmod(0o600)
    assert addresses.keep(home, "delays", said, tmp_path, {}) == []
    book = addresses.find(home, "delays")
    assert book is not None and addresses.addresses(book) == [http.address]
    kept = (home.root / "alerts" / "delays.json").read_text()
    assert "hush" not in kept


def test_an_address_of_the_environment_is_kept_where_only_its_user_reads(shed: Shed, tmp_path: Path) -> None:
    home = Home(shed)
    said = AlertsSection.model_validate({"to": ["env:TO", "env:NOT_SET"]})
    (warning,) = addresses.keep(home, "delays", said, tmp_path, {"TO": "json://127.0.0.1:1/hush"})
    assert "NOT_SET is not set here" in warning
    assert (home.root / "alerts" / "delays.json").stat().st_mode & 0o077 == 0


def test_a_trigger_that_broke_reaches_people_even_at_night(shed: Shed, tmp_path: Path, http: HttpSink) -> None:
    post = Post(shed, tmp_path, http.address, at("2031-03-01T23:00"), quiet_hours="22:00-07:00")
    trigger, _ = watched(shed, tmp_path / "project", '[[trigger]]\non = "new-data"\n')
    break_off(shed, trigger, "10 runs in a row: it seems to feed itself")
    post.round()
    (told,) = http.taken
    assert told["title"] == "[critical] delays/new-data: paused, 10 runs in a row: it seems to feed itself"
    assert f"trainshed triggers resume {trigger.id}" in told["message"]
