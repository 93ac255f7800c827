"""Taking a lease, and looking who holds one.

`SHED/locks/gpu0` is locked alone by a run that has the GPU for itself. Runs that share it by memory each hold a shared
lock on it and lock a claim file of their own; a claim is granted while all claims together stay within its memory.
Whoever looks or takes does so under one short lock, so that a look never stands in the way of a grant.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from runners import gpus
from runners.gpus import Reading
from runners.leasing import lockfiles, machinewide
from runners.supervision.processes import Identity, identify_self
from storage.errors import ShedError, UsageError
from storage.shed import Shed

DEVICE = re.compile(r"(gpu|cpu)(0|[1-9]\d{0,3})")
TURN = "leases"  # the file of the short lock
TURN_S = 10.0  # a look or a grant takes about a millisecond


@dataclass
class Lease:
    """A run's hold on devices. `memory` is the bytes that it claims on each GPU, None: it has them alone.

    `fds` go to the child by `pass_fds`; whoever has one of them open holds the lease.
    """

    run_id: int
    user: str
    devices: tuple[str, ...]
    memory: int | None
    fds: list[int] = field(default_factory=list)

    def release(self) -> None:
        """Let go, as far as this process is concerned: a child that still runs goes on holding it."""
        while self.fds:
            os.close(self.fds.pop())

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True)
class Holder:
    """Who really holds a device. What it did not leave behind readably is 0, empty or None.

    Attributes:
        process: the process that took the lease; its child may have outlived it.
        memory: the bytes that it claims, None: it holds the device alone.
        since: seconds since the epoch.
    """

    run_id: int
    user: str
    process: Identity
    memory: int | None
    since: float

    @property
    def pid(self) -> int:
        return self.process.pid


def take(
    shed: Shed,
    run_id: int,
    devices: Sequence[str],
    *,
    memory: int | None,
    user: str,
    readings: Sequence[Reading] | None = None,
) -> Lease | None:
    """Lease all these devices, or none of them: None where one is held already. It never waits for a holder.

    `memory` shares each GPU with other claims; a device whose memory nobody knows, such as a CPU slot, is had alone all
    the same. `readings` are the machine's GPUs, None: ask the driver.

    Raises:
        UsageError: for a name that is no device.
        ShedError: when the lock files cannot be used.
    """
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise UsageError(f"{device!r} is not a device", expected="gpu0, gpu1 … or cpu0, cpu1 …")
    wanted = sorted(set(devices))
    known: dict[str, Reading] = {}
    if any(device.startswith("gpu") for device in wanted):
        known = {reading.device: reading for reading in (gpus.readings() if readings is None else readings)}
    lease = Lease(run_id, user, tuple(wanted), memory)
    details = _details(shed, lease)
    with _turn(shed):
        try:
            for device in wanted:
                fds = _grab(shed, device, known.get(device), memory, details)
                if fds is None:
                    _abandon(lease)
                    return None
                lease.fds.extend(fds)
        except BaseException:
            _abandon(lease)
            raise
    return lease


def holders(shed: Shed) -> dict[str, list[Holder]]:
    """Every device that is held, and by whom. Only those count whose locks are really held.

    Raises:
        ShedError: when the lock files cannot be used.
    """
    found: dict[str, list[Holder]] = {}
    if not (shed.locks / TURN).exists():
        return found  # nobody ever took one, and here the shed may be read-only
    with _turn(shed):
        for path in sorted(shed.locks.iterdir()):
            if DEVICE.fullmatch(path.name):
                held_by = _holders_of(path)
                if held_by:
                    found[path.name] = held_by
    return found


def _grab(
    shed: Shed, device: str, reading: Reading | None, memory: int | None, details: dict[str, Any]
) -> list[int] | None:
    """The descriptors that hold one device; None where it is held, or has not so much memory left."""
    total = reading.total_bytes if reading is not None else None
    shared = memory is not None and total is not None
    fds = [lockfiles.opened(shed.locks / device)]
    try:
        if not lockfiles.lock(fds[0], shared=shared):
            os.close(fds.pop())
            return None
        if not shared:
            lockfiles.describe(fds[0], {**details, "memory": None})
        elif sum(_claimed(claim, total) for claim in _claims(shed.locks / device)) + (memory or 0) > (total or 0):
            lockfiles.give_up(fds.pop())
            return None
        else:
            fds.append(lockfiles.opened(shed.locks / f"{device}.claim.{uuid4().hex}"))
            lockfiles.lock(fds[1])
            lockfiles.describe(fds[1], details)
        among_sheds = machinewide.take(reading.uuid, details, shared=shared) if reading is not None else []
    except BaseException:
        for fd in fds:
            lockfiles.give_up(fd)
        raise
    if among_sheds is None:
        for fd in fds:
            lockfiles.give_up(fd)
        return None
    return [*fds, *among_sheds]


def _holders_of(path: Path) -> list[Holder]:
    fd = lockfiles.opened(path)
    try:
        if lockfiles.lock(fd):
            return []
        if lockfiles.lock(fd, shared=True):
            return [_holder(claim) for claim in _claims(path)]
        return [_holder(lockfiles.described(fd))]
    finally:
        lockfiles.give_up(fd)


def _claims(device: Path) -> list[dict[str, Any]]:
    """What each living claim on a device says. Claim files of the dead are taken away."""
    found = []
    for path in device.parent.glob(f"{device.name}.claim.*"):
        fd = lockfiles.opened(path)
        if lockfiles.lock(fd):
            with suppress(OSError):  # who may only look leaves it there
                path.unlink()
            lockfiles.give_up(fd)
        else:
            found.append(lockfiles.described(fd))
            os.close(fd)
    return found


def _claimed(claim: dict[str, Any], total: int | None) -> int:
    """The bytes of a claim; all there are for one that cannot be read."""
    memory = claim.get("memory")
    return memory if isinstance(memory, int) and memory >= 0 else total or 0


def _details(shed: Shed, lease: Lease) -> dict[str, Any]:
    return {
        "run": lease.run_id,
        "user": lease.user,
        "process": identify_self().to_json(),
        "memory": lease.memory,
        "since": time.time(),
        "shed": str(shed.root),
    }


def _holder(details: dict[str, Any]) -> Holder:
    try:
        return Holder(
            run_id=int(details["run"]),
            user=str(details["user"]),
            process=Identity.from_json(details["process"]),
            memory=int(details["memory"]) if details["memory"] is not None else None,
            since=float(details["since"]),
        )
    except (KeyError, TypeError, ValueError):
        return Holder(0, "", Identity(0, 0, ""), None, 0.0)


def _abandon(lease: Lease) -> None:
    while lease.fds:
        lockfiles.give_up(lease.fds.pop())


@contextmanager
def _turn(shed: Shed) -> Iterator[None]:
    """One process at a time looks at the locks or takes some."""
    path = shed.locks / TURN
    try:
        fd = lockfiles.opened(path)
    except OSError as err:
        raise ShedError(f"cannot open a lock file: {err.strerror}", place=str(path)) from err
    give_up_at = time.monotonic() + TURN_S
    try:
        while not lockfiles.lock(fd):
            if time.monotonic() > give_up_at:
                raise ShedError(
                    f"another process has held the leases' lock for {TURN_S:g} s",
                    place=str(path),
                    todo=f"see who: `fuser {path}`; a stopped process can be continued or ended",
                )
            time.sleep(0.001)
        yield
    except OSError as err:
        raise ShedError(f"a lock file cannot be used: {err.strerror}", place=str(shed.locks)) from err
    finally:
        lockfiles.give_up(fd)
