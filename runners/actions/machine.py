"""How the machine is doing: processors, memory, disk and GPUs, each look compared with the one before."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from runners.gpus import Gpu, open_gpus
from runners.supervision.sampling import MachineUse
from storage.shed import Shed


@dataclass(frozen=True)
class GpuNow:
    """One GPU. What its driver does not tell is None. Bytes, percent, degrees Celsius, watts."""

    name: str
    percent: float | None
    memory_used: float | None
    memory_total: float | None
    temperature: float | None
    power: float | None


@dataclass(frozen=True)
class Now:
    """The machine at one moment. `cpu_percent` is of all its cores together; bytes elsewhere."""

    at: float
    cores: int
    cpu_percent: float | None
    load: float
    memory_used: float | None
    memory_total: float
    disk_free: float | None
    disk_total: float | None
    gpus: list[GpuNow] = field(default_factory=list)


class Machine:
    """Looks at this machine; the disk is the shed's."""

    def __init__(self, shed: Shed) -> None:
        self._use = MachineUse(shed.root)
        self._gpus: list[Gpu] | None = None
        self._sizes: list[float | None] = []

    def look(self) -> Now:
        """The machine now; percentages are since the look before."""
        if self._gpus is None:
            self._gpus, self._sizes = open_gpus(None), _gpu_sizes()
        found = self._use.read()
        used, free = _known(found["disk/used_bytes"]), _known(found["disk/free_bytes"])
        return Now(
            at=time.time(),
            cores=len(os.sched_getaffinity(0)),
            cpu_percent=_known(found["cpu/system_percent"]),
            load=os.getloadavg()[0],
            memory_used=_known(found["memory/system_used_bytes"]),
            memory_total=float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
            disk_free=free,
            disk_total=None if used is None or free is None else used + free,
            gpus=[_gpu(gpu, i, self._sizes[i] if i < len(self._sizes) else None) for i, gpu in enumerate(self._gpus)],
        )


def _gpu(gpu: Gpu, index: int, size: float | None) -> GpuNow:
    values = {name.partition("/")[2]: value for name, value in gpu.read(()).items()}
    return GpuNow(
        f"gpu{index}",
        _known(values.get("utilization_percent")),
        _known(values.get("memory_used_bytes")),
        size,
        _known(values.get("temperature_c")),
        _known(values.get("power_w")),
    )


def _gpu_sizes() -> list[float | None]:
    from runners.gpus import driver

    found = driver()
    return [float(device.memory_bytes) for device in found.devices] if found is not None else []


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else value
