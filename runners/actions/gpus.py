"""Every GPU and CPU slot: its lease, who works on it, its readings, and how long each user has had devices."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from runners import gpus, leases
from runners.actions.process_tree import Process, owned, tree
from runners.agency.state import recent_hours
from runners.gpus import Reading
from runners.leases import Holder
from runners.leasing.strangers import everyone
from runners.supervision.processes import Seen
from runners.supervision.sampling import PAGE
from storage import metrics
from storage.errors import UsageError
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.settings import settings
from storage.shed import Shed

WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Held:
    """A lease on a device. `memory` is what it claims of it, None: all. `run` is 0 where the lease does not say it."""

    run: int
    name: str
    project: str
    user: str
    pid: int
    memory: int | None
    since: float


@dataclass(frozen=True)
class Device:
    """A GPU or a CPU slot now. What is not known, or is no property of a CPU slot, is None.

    `use_percent` of a CPU slot is of one processor, `memory_used` its run's resident memory. `stranger` says who uses a
    GPU without a lease.
    """

    device: str
    name: str
    held: list[Held]
    processes: list[Process]
    uuid: str | None = None
    mig: bool = False
    use_percent: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None
    stranger: str = ""


@dataclass(frozen=True)
class Hours:
    """A user's device-hours of the last seven days, and what the fair share counts: older ones for less."""

    user: str
    week: float
    counted: float


@dataclass(frozen=True)
class Overview:
    """All devices of this host, the machine's load over the last minute, and everybody's hours on this host."""

    devices: list[Device]
    hours: list[Hours]
    half_life_hours: float
    cores: int
    load: float
    host: str

    @property
    def gpus(self) -> int:
        return sum(device.uuid is not None for device in self.devices)


def overview(shed: Shed, readings: Sequence[Reading] | None = None) -> Overview:
    """Look at every device. `readings` are the machine's GPUs, None: ask the driver.

    Raises:
        UsageError: when settings.toml is faulty.
        ShedError: when the lock files cannot be used.
    """
    rules = settings(shed.root)
    readings = gpus.readings() if readings is None else readings
    held_by = leases.holders(shed)
    seen = everyone()
    slots = [f"cpu{index}" for index in range(rules.queue.cpu_slots)]
    slots += sorted(name for name in held_by if name.startswith("cpu") and name not in slots)
    return Overview(
        devices=[
            *(_gpu(shed, each, held_by.get(each.device, []), seen) for each in readings),
            *(_slot(shed, name, held_by.get(name, []), seen) for name in slots),
        ],
        hours=_hours(shed, recent_hours(shed, rules, time.time(), socket.gethostname())),
        half_life_hours=rules.queue.half_life_hours,
        cores=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        host=socket.gethostname(),
    )


def _gpu(shed: Shed, reading: Reading, held_by: list[Holder], seen: dict[int, Seen]) -> Device:
    computing = {each.pid: each.memory_bytes for each in reading.computing or ()}
    return Device(
        device=reading.device,
        name=reading.name,
        held=[_held(shed, holder) for holder in held_by],
        processes=tree(owned(shed, held_by, seen), seen, computing),
        uuid=reading.uuid,
        mig=reading.mig,
        use_percent=reading.utilization_percent,
        memory_used=reading.used_bytes,
        memory_total=reading.total_bytes,
        power_w=reading.power_w,
        power_limit_w=reading.power_limit_w,
        temperature_c=reading.temperature_c,
        stranger=leases.stranger(shed, reading, held_by),
    )


def _slot(shed: Shed, name: str, held_by: list[Holder], seen: dict[int, Seen]) -> Device:
    found = owned(shed, held_by, seen)
    resident = {pid: seen[pid].rss_pages * PAGE for pid in found.runs}
    last = {}
    for holder in held_by:
        last = metrics.last_values(shed.run_dir(holder.run_id) / "system")
    used = last["cpu/percent"].last if "cpu/percent" in last else None
    return Device(
        device=name,
        name="CPU slot",
        held=[_held(shed, holder) for holder in held_by],
        processes=tree(found, seen, resident),
        use_percent=used if used is None or used == used else None,
        memory_used=sum(resident.values()) if resident else None,
    )


def _held(shed: Shed, holder: Holder) -> Held:
    name = project = ""
    with suppress(UsageError):  # a run that was forgotten, or of a database that was put back
        run = read_runs.run(shed, holder.run_id)
        name, project = run.name, run.project
    return Held(holder.run_id, name, project, holder.user, holder.pid, holder.memory, holder.since)


def _hours(shed: Shed, counted: dict[str, float]) -> list[Hours]:
    """Everybody who had a device within the week, who had most of it first."""
    now = time.time()
    week: dict[str, float] = {}
    for use in read_queue.uses_since(shed, now - WEEK_S, socket.gethostname()):
        length = min(now, use.ended_at or now) - max(use.started_at, now - WEEK_S)
        week[use.user] = week.get(use.user, 0.0) + use.share * max(0.0, length) / 3600
    found = [Hours(user, week.get(user, 0.0), counted.get(user, 0.0)) for user in {*week, *counted}]
    return sorted(found, key=lambda hours: (-hours.week, hours.user))
