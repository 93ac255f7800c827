"""The words of the queue: devices, who holds them, who waits, and what is decided. Times are seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spread:
    """A time that is not known exactly, in seconds: about the 10th, the 50th and the 90th percentile."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A GPU or CPU slot. `free_bytes` is what the driver says is free now; None where nobody can tell.

    `stranger` says who holds memory on it that no run's lease explains (`python (pid 99, bob) 41 GB`); empty: nobody.
    """

    name: str
    memory_bytes: int | None
    free_bytes: int | None
    stranger: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """A run and the devices it holds: alone where `memory` is None, else a claim of that many bytes on each."""

    run_id: int
    user: str
    devices: tuple[str, ...]
    memory: int | None
    started_at: float
    remaining_s: Spread | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run. `blocked` says what it waits for besides devices (`after run 12`); such a run is told, not started.

    `after` are the runs before it that are still to end, where nothing else blocks it: once they have, it may start.
    `memory` is the bytes that it claims on each GPU, to share it with others; None: it wants its GPUs alone.
    `reserved_since` is when devices were first kept for it (`Choice.reserved`); None where nobody wrote that down.
    """

    run_id: int
    user: str
    queued_at: float
    priority: int
    position: float
    gpus: int
    memory: int | None
    blocked: str = ""
    duration_s: Spread | None = None
    reserved_since: float | None = None
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """`per_user`: how many GPUs (and how many CPU slots) one user may hold at once; None: any number.

    `patience_s`: how long others may still be slipped in before a run that devices are kept for.
    """

    per_user: int | None = None
    patience_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Start:
    """A run that starts now, and on what."""

    run_id: int
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What starts now, why every other waiting run does not, and which of these have devices kept for them."""

    starts: list[Start]
    held: dict[int, str]
    reserved: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Use:
    """A user's hold on one device, `ended_at` None: until now. `share` is below 1 where the device was shared."""

    user: str
    started_at: float
    ended_at: float | None
    share: float = 1.0


def kind_of(device: str) -> str:
    """`gpu` for `gpu0`, `cpu` for `cpu12`."""
    return device.rstrip("0123456789")


def natural(device: str) -> tuple[str, int]:
    """A key that sorts `gpu2` before `gpu10`."""
    kind = kind_of(device)
    return kind, int(device[len(kind) :] or 0)


def demand(gpus: int, slots: Sequence[Slot]) -> tuple[str, int]:
    """The kind and number of devices that a run with `gpus` wants on a machine with these slots.

    With GPUs: that many GPUs, or one CPU slot for none. Without: CPU slots play their part, and never more are wanted
    than there are.
    """
    cpus = 0
    for slot in slots:
        if kind_of(slot.name) == "gpu":
            return ("gpu", gpus) if gpus > 0 else ("cpu", 1)
        cpus += 1
    return "cpu", max(1, min(gpus, cpus))
