"""A user's agent: starts the queued runs of its user when their turn comes, and takes over those left alone.

One for each user, shed and host, held by a lock. It starts when something needs it and ends when nothing does. Agents
of several users share a shed through rows and leases only: each decides over the whole queue, and starts its own.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from runners import queue, supervised
from runners.agency import recovery
from runners.agency.endpoints import Endpoints
from runners.agency.home import Home, lock_name
from runners.agency.lengths import Lengths
from runners.agency.state import situation
from runners.queue import Holding
from runners.supervision.processes import Identity, identify_self, watch
from runners.sweeps import process as sweep_process
from runners.triggers import process as trigger_process
from storage.durable import write_whole
from storage.errors import TrainshedError
from storage.read import queue as read_queue
from storage.read import sweeps as read_sweeps
from storage.read.changes import Changes
from storage.settings import settings
from storage.shed import Shed, current_user, open_shed
from storage.write import queue as write_queue

LOOK_S = 0.1  # how long a change that nobody knocked for, such as the end of another user's run, stays unseen
IDLE_LOOK_S = 0.5  # the same while nothing waits
RECOVER_S = 2.0
FULL_LOOK_S = 5.0  # what changes without a commit: a stranger's memory on a GPU, another agent's death
AGAIN_S = 10.0  # after the process of a run, of a sweep or of the triggers has ended with an error of its own
TAKING_OVER_S = 3.0  # an agent that has just been told to stop may still hold the lock
TRIGGERS = "triggers"


class Agent:
    """The loop. `supervisors` and `sweeps` are its forks by pid; `starting` are the devices it gave to those of the
    supervisors that no row shows yet."""

    def __init__(self, shed: Shed, home: Home) -> None:
        self.shed = shed
        self.home = home
        self.user = current_user()
        self.supervisors: dict[int, int] = {}
        self.sweeps: dict[int, int] = {}
        self.watcher: int | None = None  # the fork that watches for triggers
        self.starting: dict[int, Holding] = {}
        self.lengths = Lengths()
        self.endpoints = Endpoints(shed)
        self.watched: dict[int, int] = {}  # pidfd → run, of supervisors that an earlier agent forked
        self.forks: dict[int, str] = {}  # pid → what it is for
        self.failed_at: dict[str, float] = {}
        self.waiting = False
        self.stopping = False
        self.fifo = os.open(home.wake, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.changes = Changes(shed)
        self.seen = -1
        self.recover_at = self.look_at = 0.0
        self.busy_at = time.monotonic()

    def run(self) -> None:
        """Work until there has been nothing to do for a while, somebody asks to stop, or the shed is gone.

        Runs go on either way.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.fifo, warn_on_full_buffer=False)
        write_whole(self.home.identity, json.dumps(identify_self().to_json()).encode(), mode=0o600)
        told(f"agent of {self.user} for {self.shed.root} began, pid {os.getpid()}")
        while not self.stopping:
            if not self.shed.db.exists():
                told("the shed is gone")
                break
            try:
                self._turn()
                if self._idle_long_enough():
                    break
                self._wait()
            except TrainshedError as err:
                told(str(err))
                self.look_at = time.monotonic() + FULL_LOOK_S
                self._rest()
        told("agent ended" + (", asked to" if self.stopping else ", nothing to do"))

    def _turn(self) -> None:
        self._reap()
        now = time.monotonic()
        changed = self._changed()
        if changed or now >= self.recover_at:
            self.recover_at = now + RECOVER_S
            self._recover()
            self._look_after_sweeps()
            self._look_after_triggers()
            self._look_after_endpoints()
        if changed or now >= self.look_at:
            self.look_at = now + FULL_LOOK_S
            self._start_what_may()

    def _changed(self) -> bool:
        version = self.changes.version()
        changed, self.seen = version != self.seen, version
        return changed

    def _recover(self) -> None:
        busy = bool(self.supervisors)
        for run in read_queue.unended(self.shed, self.user, os.uname().nodename):
            run_id = run.id or 0
            if run_id in self.supervisors.values() or run_id in self.watched.values():
                busy = True
                continue
            verdict = recovery.look_after(self.shed, run)
            busy = busy or verdict != "not ours"
            if verdict == "adopt":
                told(f"run {run_id}: its supervisor is gone, taking over")
                self._supervise(run_id, partial(supervised.go_on, run_id=run_id))
            elif verdict == "supervised":
                self._watch(run_id, Identity.from_json(run.supervisor))
        if busy:
            self.busy_at = time.monotonic()

    def _watch(self, run_id: int, supervisor: Identity) -> None:
        """Be woken at once when a supervisor that is no child of ours ends."""
        fd = watch(supervisor)
        if fd is not None:
            self.watched[fd] = run_id

    def _start_what_may(self) -> None:
        now = time.time()
        found = situation(self.shed, now, starting=list(self.starting.values()), lengths=self.lengths)
        choice = queue.choose(found.waiting, found.holding, found.slots, found.hours, found.limits, now)
        mine = {
            run.run_id: run for run in found.waiting if run.user == self.user and run.run_id not in found.foreground
        }
        self.waiting = bool(mine)
        if mine:
            self.busy_at = time.monotonic()
        held = {run_id: reason for run_id, reason in choice.held.items() if run_id in mine}
        write_queue.hold(self.shed, held, set(choice.reserved))
        for start in choice.starts:
            run = mine.get(start.run_id)
            if run is None or self._failed_lately(f"run {start.run_id}"):
                continue
            self.starting[run.run_id] = Holding(run.run_id, self.user, start.devices, run.memory, now, run.duration_s)
            told(f"run {run.run_id} starts on {', '.join(start.devices)}")
            self._supervise(run.run_id, partial(supervised.start, run_id=run.run_id, devices=start.devices))

    def _look_after_sweeps(self) -> None:
        """Each sweep of the user's that runs has a process of its own; one that was killed gets another."""
        for sweep_id in read_sweeps.running(self.shed, self.user, os.uname().nodename):
            self.busy_at = time.monotonic()
            what = f"sweep {sweep_id}"
            if sweep_id in self.sweeps.values() or self._failed_lately(what):
                continue
            if not sweep_process.lives(self.shed, sweep_id):
                told(f"{what} goes on")
                self.sweeps[self._fork(what, partial(sweep_process.carry_out, sweep_id=sweep_id))] = sweep_id

    def _look_after_triggers(self) -> None:
        """One process watches for all triggers of the user's, and sends their alerts; killed, it gets a successor."""
        if trigger_process.needed(self.shed, self.user, os.uname().nodename):
            self.busy_at = time.monotonic()
            if self.watcher is not None or self.home.off.exists() or self._failed_lately(TRIGGERS):
                return
            if not trigger_process.lives(self.shed):
                self.watcher = self._fork(TRIGGERS, trigger_process.watch)

    def _look_after_endpoints(self) -> None:
        """An endpoint has a supervisor of its own; where that and its workers are gone, it is started again."""
        wanted, started = self.endpoints.look()
        if wanted:
            self.busy_at = time.monotonic()
        for name in started:
            told(f"endpoint {name} is started again")

    def _failed_lately(self, what: str) -> bool:
        """Whether a process ended with an error of its own a moment ago: the next would do the same."""
        return time.monotonic() - self.failed_at.get(what, -AGAIN_S) < AGAIN_S

    def _supervise(self, run_id: int, work: Callable[[Path], None]) -> None:
        self.supervisors[self._fork(f"run {run_id}", work)] = run_id

    def _fork(self, what: str, work: Callable[[Path], None]) -> int:
        """A process for one run or sweep: a fork has everything imported already. Nothing of ours may stay open in it.

        Returns its pid.
        """
        self.shed.close()
        pid = os.fork()
        if pid:
            self.forks[pid] = what
            return pid
        code = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.closerange(3, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") > 0 else 1024)
            work(self.shed.root)
            code = 0
        except TrainshedError as err:
            told(f"{what}: {err}")
        except BaseException:
            told(f"{what}: {traceback.format_exc()}")
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self.supervisors or self.sweeps or self.watcher is not None:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            what = self.forks.pop(pid, "")  # an endpoint is no fork
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
                self.failed_at[what] = time.monotonic()
            self.sweeps.pop(pid, None)
            if pid == self.watcher:
                self.watcher = None
                self.recover_at = 0.0
            run_id = self.supervisors.pop(pid, None)
            if run_id is not None:
                self.starting.pop(run_id, None)
                self.recover_at = self.look_at = 0.0

    def _rest(self) -> None:
        """Something in the shed is out of order: look again in a while, not at once."""
        poll = select.poll()
        poll.register(self.fifo, select.POLLIN)
        if poll.poll(FULL_LOOK_S * 1000):
            os.read(self.fifo, 4096)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self.fifo, select.POLLIN)
        for fd in self.watched:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll((LOOK_S if self.waiting else IDLE_LOOK_S) * 1000):
            if fd == self.fifo:
                os.read(self.fifo, 4096)
                self.seen = -1
            else:
                del self.watched[fd]
                os.close(fd)
                self.recover_at = 0.0
        if self.starting:
            statuses = read_queue.statuses(self.shed, set(self.starting))
            for run_id in [run_id for run_id, status in statuses.items() if status != "queued"]:
                del self.starting[run_id]

    def _idle_long_enough(self) -> bool:
        idle_s = settings(self.shed.root).agent.idle_minutes * 60
        return time.monotonic() - self.busy_at > idle_s

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True


def told(text: str) -> None:
    """A line in the agent's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def main() -> int:
    """`python -m runners.agent --shed DIR`: be the agent, unless there is one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shed", type=Path, required=True)
    shed = open_shed(parser.parse_args().shed, create=False)
    home = Home(shed)
    deadline = time.monotonic() + TAKING_OVER_S
    while True:
        with shed.lock(lock_name(), wait=False) as mine:
            if mine and home.off.exists():
                return 0  # it was stopped while this one waited for its place
            if mine:
                Agent(shed, home).run()
                return 0
        if time.monotonic() > deadline:
            return 0  # there is one already
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
