"""Makes a user's reports and sends their alerts, in a thread of its own: a slow receiver holds up nothing else."""

from __future__ import annotations

import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable

from runners.agency.home import Home
from runners.alerting import addresses, reporting
from runners.alerting.quiet import quiet_until
from runners.alerting.sending import send
from runners.triggers import schedule
from storage.errors import TrainshedError
from storage.read import alerts as read_alerts
from storage.shed import Shed
from storage.tables import Alert
from storage.write import alerts as write_alerts

REPORTS_S = 20.0
FIRST_RETRY_S, LONGEST_RETRY_S, GIVE_UP_S = 2.0, 900.0, 24 * 3600.0
RANK = {"info": 0, "warning": 1, "critical": 2}


class Courier:
    """Sends what is pending whenever `knock` is called, and again when a retry is due."""

    def __init__(self, shed: Shed, home: Home, user: str, host: str, clock: Callable[[], float] = time.time) -> None:
        self.shed, self.home, self.user, self.host, self.clock = shed, home, user, host, clock
        self.idle = True
        self._had: dict[int, set[str]] = defaultdict(set)  # addresses that have an alert already
        self._knocked, self._closing = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        self._thread.start()

    def knock(self) -> None:
        self.idle = False
        self._knocked.set()

    def close(self) -> None:
        self._closing = True
        self._knocked.set()
        self._thread.join(timeout=2)

    def _work(self) -> None:
        timeout: float | None = None
        while True:
            self._knocked.wait(timeout)
            self._knocked.clear()
            if self._closing:
                return
            try:
                reports = self.make_reports()
                retry_at = self.send_what_is_due()
                timeout = REPORTS_S if reports else None
                if retry_at is not None:
                    timeout = max(0.1, min(30.0, retry_at - self.clock()))
                self.idle = retry_at is None
            except Exception:  # told in the agent's log; the next knock tries again
                print(traceback.format_exc(), flush=True)
                timeout = LONGEST_RETRY_S

    def make_reports(self) -> bool:
        """Make those that are due, each once; returns whether any project wants some."""
        wanted = {project: book for project, book in addresses.every(self.home).items() if book.section.report}
        for project, book in wanted.items():
            now, zone = self.clock(), book.section.timezone
            found = reporting.due(book.section.report, zone, now)
            if found is None or found[0] < book.kept_at:
                continue
            at = schedule.told(found[0], zone)
            key = f"report {at}"
            if not read_alerts.has(self.shed, self.user, project, key):
                body = self._told(project, found[1], now)
                write_alerts.report(self.shed, project=project, key=key, title=f"{project}: report of {at}", body=body)
        return bool(wanted)

    def _told(self, project: str, since: float, until: float) -> str:
        try:
            return reporting.text(self.shed, project, since, until)
        except Exception as err:  # a report that cannot be made must not hold up alerts
            print(traceback.format_exc(), flush=True)
            return f"it could not be made: {err}"

    def send_what_is_due(self) -> float | None:
        """Returns when something is due again; None where nothing is left to send."""
        for alert in read_alerts.to_send(self.shed, self.user, self.host):
            # A clock that was put back must not hold an alert for longer than its pause.
            if alert.next_try_at is None or not self.clock() < alert.next_try_at < self.clock() + 2 * GIVE_UP_S:
                self._deliver(alert)
        left = read_alerts.to_send(self.shed, self.user, self.host)
        return min((alert.next_try_at or self.clock() for alert in left), default=None)

    def _deliver(self, alert: Alert) -> None:
        assert alert.id is not None
        book = addresses.find(self.home, alert.project)
        try:
            to = addresses.addresses(book) if book is not None else []
        except TrainshedError as err:
            self._not_sent(alert, str(err))
            return
        asked_for = alert.subject == write_alerts.REPORT  # whatever else its user said of alerts
        if book is None or not to or (RANK[alert.severity] < RANK[book.section.least] and not asked_for):
            write_alerts.delivered(self.shed, alert.id, "listed")
            return
        quiet = quiet_until(book.section.quiet_hours, book.section.timezone, self.clock())
        if quiet is not None and alert.severity != "critical" and not asked_for:
            write_alerts.postponed(self.shed, alert.id, quiet)
            return
        faults = []
        for address in to:
            if address in self._had[alert.id]:
                continue
            body = f"{alert.body}\n\n{alert.subject} · alert {alert.id}".strip()
            title = alert.title if asked_for else f"[{alert.severity}] {alert.title}"
            fault = send(address, title=title, body=body, severity=alert.severity)
            if fault:
                faults.append(fault)
            else:
                self._had[alert.id].add(address)
        if faults:
            self._not_sent(alert, "; ".join(faults))
        else:
            del self._had[alert.id]
            write_alerts.delivered(self.shed, alert.id, "sent")

    def _not_sent(self, alert: Alert, why: str) -> None:
        now = self.clock()
        pause = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0**alert.tries)
        given_up = now - alert.at > GIVE_UP_S
        write_alerts.not_delivered(self.shed, alert.id or 0, why, None if given_up else now + pause)
