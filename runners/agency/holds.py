"""A lease as the run that holds it sees it."""

from __future__ import annotations

from collections.abc import Sequence

from runners import leases
from runners.leases import Lease
from runners.pipeline import Hold
from storage.settings import settings
from storage.shed import Shed


def hold_of(lease: Lease) -> Hold:
    """What the child inherits of a lease, and how it is told of its GPUs."""
    return Hold(tuple(lease.fds), leases.environment(lease), gpu_indices(lease.devices))


def gpu_indices(devices: Sequence[str]) -> tuple[int, ...]:
    """NVML's numbers of the GPUs among these devices."""
    return tuple(int(device.removeprefix("gpu")) for device in devices if device.startswith("gpu"))


def share_of(shed: Shed, lease: Lease) -> float:
    """How much of each device a lease takes up: its claim of the memory, all where it has the devices alone."""
    sizes = [slot.memory_bytes for slot in leases.slots(shed, settings(shed.root)) if slot.name in lease.devices]
    if lease.memory is None or not sizes or None in sizes:
        return 1.0
    return min(1.0, lease.memory / min(size for size in sizes if size is not None))
