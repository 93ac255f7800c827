"""The machine's devices as the queue and a child see them: what is free, who is a stranger on it, what is visible."""

from __future__ import annotations

from collections.abc import Sequence

from runners import gpus
from runners.gpus import Reading
from runners.leasing import machinewide
from runners.leasing.holding import Holder, Lease, holders
from runners.leasing.strangers import everyone, strangers, told
from runners.queue import Slot
from runners.supervision.childfile import Child
from runners.supervision.processes import Identity
from storage.settings import Settings
from storage.shed import Shed


def slots(shed: Shed, settings: Settings, readings: Sequence[Reading] | None = None) -> list[Slot]:
    """The devices that runs may be given: all GPUs but those divided by MIG, then the CPU slots.

    `readings` are the machine's GPUs, None: ask the driver.

    Raises:
        ShedError: when the lock files cannot be used.
    """
    readings = gpus.readings() if readings is None else readings
    held_by = holders(shed) if readings else {}
    found = [
        Slot(each.device, each.total_bytes, each.free_bytes, stranger(shed, each, held_by.get(each.device, [])))
        for each in readings
        if not each.mig
    ]
    return [*found, *(Slot(f"cpu{index}", None, None) for index in range(settings.queue.cpu_slots))]


def stranger(shed: Shed, reading: Reading, held_by: Sequence[Holder]) -> str:
    """Who uses this GPU without a lease of ours, in words; empty: nobody. `held_by` are its holders."""
    if not held_by:
        other = machinewide.holder(reading.uuid)
        if other is not None:
            return f"run {other.get('run')} of {other.get('user')}, of the shed {other.get('shed')}"
    seen = everyone() if reading.computing else {}
    return told(reading, strangers(reading, roots(shed, held_by), seen), held=bool(held_by))


def roots(shed: Shed, held_by: Sequence[Holder]) -> list[Identity]:
    """The processes that all others of these holders come from: who took the lease, and the run's children."""
    found = [holder.process for holder in held_by]
    for run_dir in {shed.run_dir(holder.run_id) for holder in held_by if holder.run_id}:
        for path in (run_dir, *(file.parent for file in run_dir.glob("*/child.json"))):
            child = Child.read(path)
            if child is not None and child.identity is not None:
                found.append(child.identity)
    return found


def environment(lease: Lease, readings: Sequence[Reading] | None = None) -> dict[str, str]:
    """What shows a child the GPUs of its lease and no others; nothing on a machine without a driver.

    GPUs are named by UUID, which no order and no other variable can turn into another one. `readings` are the machine's
    GPUs, None: ask the driver.
    """
    readings = gpus.readings() if readings is None else readings
    if not readings:
        return {}
    uuids = [reading.uuid for reading in readings if reading.device in lease.devices]
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(uuids)}
