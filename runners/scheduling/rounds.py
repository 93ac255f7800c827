"""One round of the queue: every run in turn gets its devices, or stands back for one whose turn it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from runners.scheduling import reasons
from runners.scheduling.machine import Hold, Machine
from runners.scheduling.terms import Limits, Start, Waiting, kind_of
from runners.scheduling.turns import UNKNOWN_HOURS, Line, Want


class Reservation:
    """Devices kept for the first run that does not fit: the machine as it will be when it can start, and when that is.

    Where nobody knows how long a run on the machine will take, it may end at once, so that time may be now.
    """

    def __init__(self, run: Waiting, want: Want, future: Machine, at: float, *, strict: bool) -> None:
        self.run = run
        self.devices: Collection[str] = future.place(*want, run.memory) or ()
        self._want = want
        self._future = future
        self._at = at
        self._strict = strict

    def outlasts(self, run: Waiting, now: float) -> bool:
        """Whether `run` surely ends before these devices are needed. Once patience is over (`strict`), none is sure."""
        return not self._strict and run.duration_s is not None and now + run.duration_s.high <= self._at

    def spares(self, devices: Sequence[str], memory: int | None) -> bool:
        """Whether these may go to another run for good: the one that devices are kept for will fit beside it."""
        beside = self._future.copy()
        beside.take(devices, memory)
        if beside.place(*self._want, self.run.memory) is None:
            return False
        self._future = beside
        return True


class Round:
    """Gives out what is free at `now`. `machine`, `holds` and `scores` change with every start.

    With `why`, that is filled with the reason of every run that does not start; without, the round ends as soon as
    nothing is left to give.
    """

    def __init__(
        self,
        machine: Machine,
        holds: list[Hold],
        scores: dict[str, float],
        limits: Limits,
        now: float,
        why: dict[int, str] | None = None,
    ) -> None:
        self.starts: list[Start] = []
        self.reserved: dict[str, Reservation] = {}
        self._machine, self._holds, self._scores, self._now, self._why = machine, holds, scores, now, why
        self._limits = limits
        self._at_limit: dict[tuple[str, str], int] = {}
        self._before: dict[str, int] = {}
        self._misfits: set[tuple[Want, int | None]] = set()  # what was found not to fit: no start makes room
        self._denied: set[tuple[Want, int | None, str]] = set()  # what would fit, but for a reservation

    def go(self, line: Line, reserved_since: Mapping[int, float]) -> None:
        """Walk the line once. Runs that this machine can never serve are not in it."""
        roomy = self._machine.with_room(line.kinds)
        for run in line.in_turn(self._scores, reserved_since):
            if self._why is None and not roomy:
                return
            want = kind, count = line.wants[run.run_id]
            devices = self._fit(run, want) if kind in roomy and (run.user, kind) not in self._at_limit else None
            if devices is None and self._held_by_limit(run, want):
                continue
            hours = UNKNOWN_HOURS if run.duration_s is None else run.duration_s.likely / 3600
            cost = count * self._machine.portion(kind, run.memory) * hours
            self._scores[run.user] = self._scores.get(run.user, 0.0) + cost
            if devices is None:
                self._stand_back(run, want, reserved_since)
            elif self._start(run, want, devices):
                roomy = self._machine.with_room(line.kinds)

    def _fit(self, run: Waiting, want: Want, without: Collection[str] = ()) -> tuple[str, ...] | None:
        """Where the run fits now, within its user's limit."""
        like = (want, run.memory)
        if like in self._misfits:
            return None
        devices = self._machine.place(*want, run.memory, without=without)
        if devices is None and not without:
            self._misfits.add(like)
        if devices is None or self._limits.per_user is None:
            return devices
        held = self._held(run.user, want[0])
        if len(held.union(devices)) <= self._limits.per_user:
            return devices
        return self._machine.place(*want, run.memory, within=held, without=without)

    def _held_by_limit(self, run: Waiting, want: Want) -> bool:
        """Whether the user's limit holds the run. It then holds that user's later ones too: none slips past it."""
        limit, (kind, count) = self._limits.per_user, want
        if limit is None:
            return False
        first = self._at_limit.get((run.user, kind))
        if first is None and len(self._held(run.user, kind)) + count <= limit:
            return False
        self._at_limit.setdefault((run.user, kind), run.run_id)
        if self._why is not None:
            full = len(self._held(run.user, kind)) >= limit
            self._why[run.run_id] = reasons.at_limit(run.user, kind, limit, None if full else first)
        return True

    def _held(self, user: str, kind: str) -> set[str]:
        return {name for hold in self._holds if hold.user == user for name in hold.devices if kind_of(name) == kind}

    def _start(self, run: Waiting, want: Want, devices: tuple[str, ...]) -> bool:
        """Start the run, unless another has a right to these devices and none that are spared will do."""
        kept = self.reserved.get(want[0])
        if kept is not None and not kept.outlasts(run, self._now):
            spared = self._spared(run, want, devices, kept)
            if spared is None:
                self._behind(run, want[0], reasons.stands_back(kept.run) if self._why is not None else "")
                return False
            devices = spared
        self._machine.take(devices, run.memory)
        ends_at = None if run.duration_s is None else self._now + run.duration_s.likely
        self._holds.append(Hold(run.run_id, run.user, devices, run.memory, ends_at))
        self.starts.append(Start(run.run_id, devices))
        return True

    def _spared(self, run: Waiting, want: Want, devices: tuple[str, ...], kept: Reservation) -> tuple[str, ...] | None:
        """These devices, or others, where the run that devices are kept for can do without them."""
        like = (want, run.memory, run.user if self._limits.per_user is not None else "")
        if like in self._denied:
            return None
        if kept.spares(devices, run.memory):
            return devices
        other = self._fit(run, want, without=kept.devices)
        if other is not None and kept.spares(other, run.memory):
            return other
        self._denied.add(like)
        return None

    def _stand_back(self, run: Waiting, want: Want, reserved_since: Mapping[int, float]) -> None:
        """The run does not fit. The first such of its kind gets a reservation, where runs that end will make room."""
        kind = want[0]
        if kind in self.reserved:
            self._behind(run, kind)
            return
        reservation = self._reserve(run, want, reserved_since)
        if reservation is not None:
            self.reserved[kind] = reservation
            if self._why is not None:
                self._behind(run, kind, reasons.next_in_line(run, want, self._machine, self._holds))
        elif self._why is not None:
            self._why[run.run_id] = reasons.strangers(run, want, self._machine)

    def _reserve(self, run: Waiting, want: Want, reserved_since: Mapping[int, float]) -> Reservation | None:
        future = self._machine.copy()
        ends = sorted((self._now if hold.ends_at is None else hold.ends_at, hold) for hold in self._holds)
        for at, hold in ends:
            future.release(hold.devices, hold.memory)
            if future.place(*want, run.memory) is not None:
                since = reserved_since.get(run.run_id, self._now)
                return Reservation(run, want, future, at, strict=self._now - since >= self._limits.patience_s)
        return None

    def _behind(self, run: Waiting, kind: str, reason: str = "") -> None:
        before = self._before.get(kind, 0)
        self._before[kind] = before + 1
        if self._why is not None:
            self._why[run.run_id] = reason or reasons.before(before)
