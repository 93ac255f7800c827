"""Watching one child to its end: listening, sampling, stopping it step by step, and reaping what is left."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runners.supervision.childfile import Child, Ended
from runners.supervision.events import Event, EventTail, OnEvent
from runners.supervision.interrupts import Interrupts
from runners.supervision.logs import BoundedLog
from runners.supervision.outcome import Outcome, Stopped, judge, read_result
from runners.supervision.processes import Identity, alive, end_group, members, signal_group, wait_gone, watch
from runners.supervision.sampling import Sampler
from storage.errors import RunFailed

TICK_S = 0.2  # how often events, the log and the stop file are looked at; the child's end is noticed at once
TICK_WITHOUT_PIDFD_S = 0.05  # Linux below 5.3: the end is only noticed at a tick
RETRY_EVENT_S = 1.0
LEAVE_S = 0.2  # what the child started may go by itself this long after it
HANGS_S = 10.0  # after SIGKILL: longer than that only a process that hangs in the kernel
NEVER = float("inf")


@dataclass(frozen=True)
class Limits:
    """How patient a supervisor is, and how much log it keeps.

    Attributes:
        grace_s: from asking the child to stop (it sees `run.should_stop`) to SIGTERM.
        interrupt_grace_s: the same after a first Ctrl-C; a second one kills.
        kill_after_s: from SIGTERM to SIGKILL.
        linger_s: how long the child may go on running after its result is complete.
        log_bytes: disk space of the log; of a longer one the middle is left out.
    """

    grace_s: float = 10.0
    interrupt_grace_s: float = 3.0
    kill_after_s: float = 5.0
    linger_s: float = 30.0
    log_bytes: int = 64 << 20


DEFAULT_LIMITS = Limits()


def stop(run_dir: Path, reason: str, *, grace_s: float | None = None) -> None:
    """Ask the run's child to stop, from any process: it sees `run.should_stop`, and its supervisor follows up.

    After `grace_s` (its supervisor's, by default) come SIGTERM and SIGKILL. A second call may shorten the first.
    """
    fresh = run_dir / f".stop.{os.getpid()}"
    fresh.write_text(json.dumps({"reason": reason, "grace_s": grace_s, "at": time.time()}), encoding="utf-8")
    fresh.replace(run_dir / "stop")


@dataclass
class Supervision:
    """Watching one child, from its start or from its adoption to its end."""

    child: Child
    identity: Identity
    process: subprocess.Popen[bytes] | None
    run_dir: Path
    out_dir: Path
    timeout_s: float | None
    on_event: OnEvent
    limits: Limits
    interrupts: Interrupts
    sampler: Sampler | None

    def __post_init__(self) -> None:
        self.log = BoundedLog(self.run_dir / "log", self.limits.log_bytes)
        self.events = EventTail(self.run_dir)
        self.stopped: Stopped | None = None
        self.complete = False
        self.overstayed = False
        self.times_out_at = NEVER
        if self.timeout_s is not None:
            self.times_out_at = time.monotonic() + self.timeout_s - (time.time() - self.child.at)
        self.term_at = self.kill_at = self.hangs_at = NEVER
        self.term_sent = False
        self.interrupts_seen = 0
        self.stop_seen = 0
        self.event_error: Exception | None = None
        self.events_at = 0.0

    def to_the_end(self) -> Outcome:
        fd = watch(self.identity)
        try:
            if self.sampler is not None:
                self.sampler.start()
            while not self._ended(fd) and time.monotonic() < self.hangs_at:
                self._take_interrupts()
                self._take_stop_file()
                self._take_result()
                self._take_timeout()
                self._escalate()
                self._take_events()
                self.log.trim()
            return self._finish()
        except BaseException:
            end_group(self.identity, mark=self.child.mark, grace_s=0)
            raise
        finally:
            if self.sampler is not None:
                self.sampler.stop()
            if fd is not None:
                os.close(fd)

    def _ended(self, fd: int | None) -> bool:
        """Wait for the next tick, and whether the child has ended in it."""
        due = min(NEVER if self.term_sent else self.term_at, self.kill_at, self.hangs_at, self.times_out_at)
        tick_s = TICK_S if fd is not None else TICK_WITHOUT_PIDFD_S
        wait_s = min(tick_s, max(0.0, due - time.monotonic()))
        poll = select.poll()
        poll.register(self.interrupts.fd, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLIN)
        elif not alive(self.identity):
            return True
        ready = [found for found, _ in poll.poll(wait_s * 1000 + 1)]
        if self.interrupts.fd in ready:
            os.eventfd_read(self.interrupts.fd)
        return fd in ready

    def _take_interrupts(self) -> None:
        if self.interrupts.count == self.interrupts_seen:
            return
        self.interrupts_seen = self.interrupts.count
        stopped = Stopped("stopped", f"stopped by {self.interrupts.last}", interrupted=True)
        if self.interrupts_seen == 1:
            self._stop(stopped, self.limits.interrupt_grace_s)
        else:
            self._stop(stopped, 0)
            self.kill_at = time.monotonic()

    def _take_stop_file(self) -> None:
        path = self.run_dir / "stop"
        try:
            seen = path.stat().st_mtime_ns
        except OSError:
            return
        if seen == self.stop_seen:
            return
        self.stop_seen = seen
        self._take_result(before=seen)
        reason, grace_s = "stopped on request", self.limits.grace_s
        with suppress(OSError, ValueError, KeyError, TypeError):  # an empty file made by hand will do
            request = json.loads(path.read_bytes())
            reason = str(request["reason"])
            grace_s = float(request["grace_s"] if request["grace_s"] is not None else grace_s)
        self._stop(Stopped("stopped", reason), grace_s)

    def _take_result(self, before: float = NEVER) -> None:
        """Note a result that came before this moment (ns since the epoch): a later request to stop is too late."""
        if self.complete:
            return
        with suppress(OSError):
            if (self.out_dir / "result.json").stat().st_mtime_ns < before:
                self.complete = True
                self._end_by(time.monotonic() + self.limits.linger_s)

    def _take_timeout(self) -> None:
        if time.monotonic() >= self.times_out_at:
            self.times_out_at = NEVER
            self._stop(Stopped("timed out", f"ran longer than {self.timeout_s:g} s"), self.limits.grace_s)

    def _stop(self, stopped: Stopped, grace_s: float) -> None:
        """Ask the child to stop, and set when it will be made to. What is complete stays complete."""
        self._end_by(time.monotonic() + grace_s)
        if self.stopped is not None or self.complete:
            return
        self.stopped = stopped
        path = self.run_dir / "stop"
        with suppress(OSError):  # a full disk: SIGTERM will come without a warning
            if not path.exists():
                stop(self.run_dir, stopped.reason)
                self.stop_seen = path.stat().st_mtime_ns
        self._tell({"event": "stopping", "at": time.time(), "reason": stopped.reason})

    def _end_by(self, term_at: float) -> None:
        self.term_at = min(self.term_at, term_at)
        self.kill_at = min(self.kill_at, term_at + self.limits.kill_after_s)

    def _escalate(self) -> None:
        now = time.monotonic()
        if now < min(self.term_at, self.kill_at):
            return
        self.overstayed = self.complete
        if now >= self.kill_at:
            self.kill_at = now + 1  # again: a process may have been forked meanwhile
            self.hangs_at = min(self.hangs_at, now + HANGS_S)
            signal_group(self.identity, signal.SIGKILL, mark=self.child.mark)
        elif not self.term_sent:
            self.term_sent = True
            signal_group(self.identity, signal.SIGTERM, mark=self.child.mark)

    def _take_events(self) -> None:
        now = time.monotonic()
        if now < self.events_at:
            return
        try:
            self.events.deliver(self.on_event)
            self.event_error = None
        except Exception as err:
            self.event_error = err
            self.events_at = now + RETRY_EVENT_S

    def _tell(self, event: Event) -> None:
        try:
            self.on_event(event)
        except Exception as err:
            self.event_error = err
            self.events_at = time.monotonic() + RETRY_EVENT_S

    def _finish(self) -> Outcome:
        """The child has ended: end what it left running, ask how it ended, and weigh it all."""
        self._take_stop_file()  # it may have ended by it before the next tick came
        self._take_result()
        self._take_interrupts()
        left_behind = self._end_what_is_left()
        exit_code, killed_by, peak = self._reap()
        ended_at = time.time() if self.sampler or self.process else self._last_sign_of_life()
        if self.sampler is not None:
            self.sampler.stop()
            peak = max(peak, self.sampler.peak_rss_bytes)
        ended = self.child.ended or Ended(ended_at, exit_code, killed_by, self.stopped)
        self.events_at = 0.0
        self._take_events()
        self.log.trim()
        outcome = judge(
            result=read_result(self.out_dir),
            stopped=ended.stopped,
            exit_code=ended.exit_code,
            killed_by=ended.signal,
            log=self.log.path,
            log_start=self.child.log_start,
            pids={self.identity.pid, *(self.sampler.pids if self.sampler else ())},
            kills_before=self.child.kills_before,
            duration_s=max(0.0, ended.at - self.child.at),
            peak_rss_bytes=peak or None,
            left_behind=left_behind,
            needs_result=self.child.needs_result,
        )
        if self.overstayed and outcome.status == "done":
            reason = f"ended, because it still ran {self.limits.linger_s:g} s after its result was complete"
            outcome = replace(outcome, reason=reason)
        if alive(self.identity):
            outcome = replace(outcome, reason=f"{outcome.reason}; process {self.identity.pid} hangs in the kernel")
        with suppress(RunFailed):  # a full disk: the outcome is still told
            replace(self.child, ended=ended).write(self.run_dir)
        self.interrupts.answered = outcome.interrupted
        if self.event_error is not None:
            raise self.event_error
        return outcome

    def _end_what_is_left(self) -> list[str]:
        left = members(self.identity, mark=self.child.mark)
        if not left or wait_gone(left, LEAVE_S):
            return []
        hurry = self.stopped is not None and self.stopped.interrupted
        return end_group(self.identity, mark=self.child.mark, grace_s=0 if hurry else self.limits.kill_after_s)

    def _reap(self) -> tuple[int | None, int | None, int]:
        """Exit code, signal and peak memory in bytes of a child of ours; nothing is known of an adopted one."""
        if self.process is None:
            return None, None, 0
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:  # it hangs in the kernel
            return None, None, 0
        code = self.process.returncode = os.waitstatus_to_exitcode(status)
        # A child starts as a copy of this process, and the kernel counts that too: below it, the figure says nothing.
        peak = usage.ru_maxrss if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else 0
        return (code, None, peak * 1024) if code >= 0 else (None, -code, peak * 1024)

    def _last_sign_of_life(self) -> float:
        """When a child that nobody saw end was last heard of."""
        signs = [self.child.at]
        for path in (self.out_dir / "result.json", self.log.path, self.events.path):
            with suppress(OSError):
                signs.append(path.stat().st_mtime)
        return max(signs)
