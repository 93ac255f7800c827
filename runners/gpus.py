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
        except self._nvml.NVMLError:
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
