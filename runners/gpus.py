"""The machine's NVIDIA GPUs, through NVML. Without a driver there are none, and nothing is said about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

NAN = float("nan")


@dataclass(frozen=True)
class Device:
    """One GPU as the driver describes it."""

    index: int
    name: str
    uuid: str
    memory_bytes: int


@dataclass(frozen=True)
class Driver:
    """The driver, the newest CUDA version that it runs, and its GPUs."""

    version: str
    cuda: str
    devices: list[Device]


@dataclass(frozen=True)
class GpuProcess:
    """A process on a GPU. `memory_bytes` is what it holds there; None where the driver does not tell."""

    pid: int
    memory_bytes: int | None


@dataclass(frozen=True)
class Reading:
    """One GPU at one moment. What the driver does not tell is None.

    Attributes:
        index: its number in NVML's order (that of the PCI bus).
        used_bytes, free_bytes: of its memory; what the driver keeps for itself is in neither where it says so.
        mig: whether it is divided into MIG instances.
        computing: the processes that use it for computing; None where the driver cannot list them.
        drawing: those that draw on it, such as a desktop.
    """

    index: int
    name: str
    uuid: str
    total_bytes: int | None
    used_bytes: int | None
    free_bytes: int | None
    mig: bool = False
    computing: tuple[GpuProcess, ...] | None = ()
    drawing: tuple[GpuProcess, ...] = ()
    utilization_percent: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    temperature_c: float | None = None

    @property
    def device(self) -> str:
        """Its name in the queue: `gpu0`."""
        return f"gpu{self.index}"


class Gpu:
    """The live readings of one GPU. What it cannot tell at the start is left out, what it cannot tell later is NaN."""

    def __init__(self, nvml: Any, index: int) -> None:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self._nvml = nvml
        self._index = index
        self._handle = handle
        readings: dict[str, Callable[[], float]] = {
            "utilization_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "memory_used_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        }
        self._readings = {name: read for name, read in readings.items() if not _is_nan(self._value(read))}

    def read(self, pids: Collection[int]) -> dict[str, float]:
        """All readings by series name; `memory_ours_bytes` is what the processes `pids` hold."""
        values = {f"gpu{self._index}/{name}": self._value(read) for name, read in self._readings.items()}
        values[f"gpu{self._index}/memory_ours_bytes"] = self._value(lambda: self._memory_of(pids))
        return values

    def _value(self, read: Callable[[], float]) -> float:
        try:
            return float(read())
        except (self._nvml.NVMLError, self._nvml.NVMLLibraryMismatchError):
            return NAN

    def _memory_of(self, pids: Collection[int]) -> float:
        running = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        used = [process.usedGpuMemory for process in running if process.pid in pids]
        return NAN if None in used else sum(used)


def open_gpus(indices: Sequence[int] | None) -> list[Gpu]:
    """The GPUs with these NVML numbers, None: all of the machine. One that cannot be reached is left out.

    NVML stays open as long as the process lives.
    """
    if indices is not None and not indices:
        return []
    nvml = _start_nvml()
    if nvml is None:
        return []
    gpus = []
    with suppress(nvml.NVMLError):
        indices = range(nvml.nvmlDeviceGetCount()) if indices is None else indices
    for index in indices or ():
        with suppress(nvml.NVMLError):
            gpus.append(Gpu(nvml, index))
    return gpus


def driver() -> Driver | None:
    """The driver and its GPUs; None without one."""
    nvml = _start_nvml()
    if nvml is None:
        return None
    devices = []
    with suppress(nvml.NVMLError):
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
            devices.append(Device(index, name, uuid, nvml.nvmlDeviceGetMemoryInfo(handle).total))
    version = cuda = ""
    with suppress(nvml.NVMLError):
        version = nvml.nvmlSystemGetDriverVersion()
        number = nvml.nvmlSystemGetCudaDriverVersion()
        cuda = f"{number // 1000}.{number % 1000 // 10}"
    return Driver(version, cuda, devices)


def readings() -> list[Reading]:
    """All GPUs of the machine as they are now; none without a driver. One that does not answer is left out."""
    nvml = _start_nvml()
    if nvml is None:
        return []
    found = []
    count = 0
    with suppress(nvml.NVMLError):
        count = nvml.nvmlDeviceGetCount()
    for index in range(count):
        with suppress(nvml.NVMLError):
            found.append(_reading(nvml, index))
    return found


def _reading(nvml: Any, index: int) -> Reading:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def told(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (nvml.NVMLError, nvml.NVMLLibraryMismatchError):
            return None

    # The older call, for older drivers, counts what the driver keeps for itself as used.
    memory = told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2))
    memory = memory or told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return Reading(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        total_bytes=memory.total if memory else None,
        used_bytes=memory.used if memory else None,
        free_bytes=memory.free if memory else None,
        mig=told(lambda: nvml.nvmlDeviceGetMigMode(handle)[0]) == nvml.NVML_DEVICE_MIG_ENABLE,
        computing=told(lambda: _processes(nvml.nvmlDeviceGetComputeRunningProcesses(handle))),
        drawing=told(lambda: _processes(nvml.nvmlDeviceGetGraphicsRunningProcesses(handle))) or (),
        utilization_percent=told(lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        power_w=told(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        power_limit_w=told(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
        temperature_c=told(lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
    )


def _processes(running: Any) -> tuple[GpuProcess, ...]:
    return tuple(GpuProcess(process.pid, process.usedGpuMemory) for process in running)


def _start_nvml() -> Any:
    """The NVML module, started; None where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # ImportError, NVMLError, or whatever a broken driver raises while its library is loaded
        return None
    return pynvml


def _is_nan(value: float) -> bool:
    return value != value
