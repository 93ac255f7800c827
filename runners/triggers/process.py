"""The process that watches for a user's triggers and sends that user's alerts: one a shed and host, held by a lock.

The agent forks, and so must have one thread only; watching files takes several. Like a sweep's process this one
outlives the agent, and brings up a new one where the agent was killed. Whatever it does is kept in rows before it has
effects, so that the next one goes on where it was killed.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from runners.agency import starting
from runners.agency.home import Home
from runners.alerting import addresses
from runners.alerting.courier import Courier
from runners.supervision.processes import identify_self
from runners.triggers import acting, drifting, orders, performing
from runners.triggers.committed import Code
from runners.triggers.measuring import Measuring
from runners.triggers.new_data import NewData
from runners.triggers.orders import Orders
from runners.triggers.scheduled import Schedule
from storage.durable import write_whole
from storage.errors import ShedError, TrainshedError
from storage.read import alerts as read_alerts
from storage.read import triggers as read_triggers
from storage.read.changes import Changes
from storage.shed import Shed, current_user, open_shed
from storage.tables import Firing, Trigger
from storage.write import triggers as write_triggers

LOOK_S = 0.5
FULL_LOOK_S = 5.0
REVIVE_S = 2.0
BROKEN_S = 60.0  # until a trigger that broke is looked at again

Result = TypeVar("Result")


class Source(Protocol):
    """One trigger at work: `look` does what is due and says when (monotonic seconds) to look again."""

    def look(self, now: float) -> float: ...

    def close(self) -> None: ...


def needed(shed: Shed, user: str, host: str) -> bool:
    """Whether there is anything to watch, to carry through or to send."""
    return bool(
        read_triggers.active(shed, user, host)
        or any(firing.status != "waiting" for firing in read_triggers.open_firings(shed, user, host))
        or read_alerts.to_send(shed, user, host)
        or any(book.section.report for book in addresses.every(Home(shed)).values())
    )


def lives(shed: Shed) -> bool:
    """Whether this user's process watches on this host."""
    if not (shed.locks / lock_name()).exists():
        return False
    with shed.lock(lock_name(), wait=False) as free:
        return not free


def lock_name() -> str:
    return f"triggers-{current_user()}-{socket.gethostname()}"


def watch(shed_root: Path) -> None:
    """Watch until there is nothing to watch, or the user has stopped the agent; nothing where another one does."""
    shed = open_shed(shed_root, create=False)
    with shed.lock(lock_name(), wait=False) as mine:
        if mine:
            Watch(shed).run()


class Watch:
    """The loop. `sources` are the triggers at work by id, with the orders they work by and when to look at each.

    What is measured takes seconds; a thread of its own does it, so that a file is noticed meanwhile.
    """

    def __init__(self, shed: Shed) -> None:
        self.shed = shed
        self.home = Home(shed)
        self.user, self.host = current_user(), socket.gethostname()
        self.sources: dict[int, tuple[str, Source]] = {}
        self.due: dict[int, float] = {}
        self.hinted: set[int] = set()
        self.wake = threading.Event()
        self.courier = Courier(shed, self.home, self.user, self.host)
        self.changes = Changes(shed)
        self.orders: dict[int, Orders] = {}
        self.full_at = 0.0
        self.thread = ThreadPoolExecutor(1, "measuring")
        self.measuring: dict[int, Future[None]] = {}  # how far the values of a firing's rows have moved

    def run(self) -> None:
        seen, revive_at = -1, time.monotonic() + REVIVE_S
        write_whole(self.home.watcher, json.dumps(identify_self().to_json()).encode(), mode=0o600)
        tell(f"watches for triggers, pid {os.getpid()}")
        try:
            while not self.home.off.exists():
                now = time.monotonic()
                version = self.changes.version()
                if version != seen or now >= self.full_at:
                    seen, self.full_at = version, now + FULL_LOOK_S
                    if not needed(self.shed, self.user, self.host) and self.courier.idle:
                        return
                    self._attempt(self._keep_up)
                self._attempt(self._look)
                if now >= revive_at:
                    revive_at = now + REVIVE_S
                    with suppress(TrainshedError, OSError):
                        starting.revive(self.shed)
                timeout = min([LOOK_S, *(at - time.monotonic() for at in self.due.values())])
                if timeout > 0 and self.wake.wait(timeout):
                    self.wake.clear()
        finally:
            for _, source in self.sources.values():
                source.close()
            self.thread.shutdown(wait=False, cancel_futures=True)
            self.courier.close()
            self.changes.close()
            tell("watches no more")

    def _attempt(self, work: object) -> None:
        """A full disk or a damaged row ends one step, not the watching."""
        try:
            work()  # type: ignore[operator]
        except (ShedError, OSError) as err:
            tell(f"{err}; it tries again")
            time.sleep(LOOK_S)

    def _keep_up(self) -> None:
        """Work by the rows as they are now."""
        active = {trigger.id or 0: trigger for trigger in read_triggers.active(self.shed, self.user, self.host)}
        for trigger_id in [each for each in self.sources if each not in active]:
            self._drop(trigger_id)
        for trigger_id, trigger in active.items():
            known = self.sources.get(trigger_id)
            if known is None or known[0] != trigger.request:
                self._drop(trigger_id)
                self._begin(trigger)
        firings = read_triggers.open_firings(self.shed, self.user, self.host)
        for firing in firings:
            self._go_on(firing)
        still_open = {firing.id for firing in firings}
        self.measuring = {which: each for which, each in self.measuring.items() if which in still_open}
        self.courier.knock()

    def _begin(self, trigger: Trigger) -> None:
        try:
            found = orders.find(self.home, trigger)
        except TrainshedError as err:
            write_triggers.pause(self.shed, trigger.id or 0, f"{err.message}; {err.todo}")
            return
        trigger_id = trigger.id or 0
        self.orders[trigger_id] = found

        def hint() -> None:
            self.hinted.add(trigger_id)
            self.wake.set()

        source: Source
        if found.spec.on == "new-data":
            source = NewData(self.shed, trigger, found, hint)
        elif found.spec.on == "schedule":
            source = Schedule(self.shed, trigger, found)
        elif found.spec.on in ("drift", "performance"):
            look = drifting.look if found.spec.on == "drift" else performing.look
            source = Measuring(self.shed, trigger, found, look, lambda work: self._apart(work, hint))
        else:
            source = Code(self.shed, trigger, found)
        self.sources[trigger_id] = (trigger.request, source)
        self.due[trigger_id] = 0.0

    def _apart(self, work: Callable[[], Result], then: Callable[[], None]) -> Future[Result]:
        """Have something done by the thread that measures; `then` is called when it is."""
        future = self.thread.submit(work)
        future.add_done_callback(lambda _: then())
        return future

    def _orders(self, trigger: Trigger) -> Orders | None:
        try:
            return self.orders.get(trigger.id or 0) or orders.find(self.home, trigger)
        except TrainshedError:
            return None

    def _drop(self, trigger_id: int) -> None:
        known = self.sources.pop(trigger_id, None)
        self.due.pop(trigger_id, None)
        if known is not None:
            known[1].close()

    def _look(self) -> None:
        for trigger_id, (_, source) in list(self.sources.items()):
            now = time.monotonic()
            if trigger_id not in self.hinted and now < self.due[trigger_id]:
                continue
            self.hinted.discard(trigger_id)
            self.due[trigger_id] = now + FULL_LOOK_S
            try:
                self.due[trigger_id] = source.look(now)
            except (ShedError, OSError):
                raise
            except Exception as err:  # one trigger that breaks something of ours must not end the watching of others
                tell(traceback.format_exc())
                write_triggers.remark(self.shed, trigger_id, f"this is a bug in trainshed: {err!r}")
                self.due[trigger_id] = now + BROKEN_S
            for firing in read_triggers.open_firings(self.shed, self.user, self.host):
                if firing.trigger_id == trigger_id and firing.status == "seen":
                    self._go_on(firing)

    def _go_on(self, firing: Firing) -> None:
        """Carry a firing through from wherever it stands."""
        trigger = read_triggers.trigger(self.shed, firing.trigger_id)
        waits = ""
        try:
            if firing.status == "queued":
                acting.settle(self.shed, trigger, self._orders(trigger), firing)
            elif firing.status == "seen":
                found = self.orders.get(firing.trigger_id) or orders.find(self.home, trigger)
                if acting.tells_people(firing) and not self._measured(firing, found):
                    return
                waits = acting.carry_out(self.shed, trigger, found, firing)
                if not acting.tells_people(firing):
                    self._measured(firing, found)  # not before: it takes a second, and the run can begin meanwhile
        except TrainshedError as err:
            waits = str(err)
        except Exception as err:  # a firing that breaks something of ours must not hold up the others for ever
            tell(traceback.format_exc())
            write_triggers.end(self.shed, firing.id or 0, f"this is a bug in trainshed: {err!r}")
        if waits and waits != trigger.note:
            write_triggers.remark(self.shed, firing.trigger_id, waits)

    def _measured(self, firing: Firing, found: Orders) -> bool:
        """Whether it was measured how far the values of its rows have moved; else that is begun."""
        if firing.dataset_version_id is None or firing.id is None:
            return True
        if firing.id not in self.measuring:
            work = partial(acting.measure, self.shed, found, firing)
            self.measuring[firing.id] = self._apart(work, self._look_at_firings)
            return False
        return self.measuring[firing.id].done()

    def _look_at_firings(self) -> None:
        self.full_at = 0.0
        self.wake.set()


def tell(text: str) -> None:
    """A line in the agent's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), f"triggers: {text}", flush=True)
