"""A world that is the same everywhere: the clock, the time zone, who asks on which host, and what its devices tell."""

from __future__ import annotations

import os
import pwd
import socket
import sys
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from runners.supervision import sampling
from runners.userside import series

MONDAY = 1_789_376_400.0  # 2026-09-14 09:00 UTC
CORES = 16
GIB = 2**30
KERNEL = {
    "/proc/meminfo": b"MemTotal: 134217728 kB\nMemAvailable: 94371840 kB\n",
    "/proc/stat": b"",  # see `Ticks`
}
CARDS = ((87, 41, 61, 310), (2, 1, 38, 62))  # percent, GiB, degrees, watts


@dataclass
class Clock:
    """What `time.time` gives."""

    now: float = MONDAY

    def __call__(self) -> float:
        return self.now


class Ticks:
    """The processors, at 31 % between any two looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, path: str) -> bytes:
        if path == "/proc/stat":
            self.looks += 1
            return b"cpu %d 0 0 %d 0 0 0 0\n" % (31 * self.looks, 69 * self.looks)
        return KERNEL.get(path, b"")


def fix_world(patch: pytest.MonkeyPatch) -> Clock:
    """Let kernel, driver, password file and clock say what is written here; returns the clock."""
    clock, real_sysconf, real_user = Clock(), os.sysconf, pwd.getpwuid(os.getuid())
    sizes = {"SC_PHYS_PAGES": 128 * GIB // 4096, "SC_PAGE_SIZE": 4096, "SC_NPROCESSORS_ONLN": CORES}
    ana = pwd.struct_passwd(("ana", *real_user[1:]))
    disk = SimpleNamespace(f_frsize=4096, f_blocks=2 * 10**12 // 4096, f_bfree=12 * 10**11 // 4096)
    disk.f_bavail = disk.f_bfree
    for place in (time, series):
        patch.setattr(place, "time", clock)
    patch.setenv("TZ", "UTC")
    time.tzset()
    patch.setattr(pwd, "getpwuid", lambda _uid: ana)
    patch.setattr(socket, "gethostname", lambda: "box")
    patch.setattr(os, "sched_getaffinity", lambda _pid: set(range(CORES)))
    patch.setattr(os, "getloadavg", lambda: (4.2, 3.9, 3.1))
    patch.setattr(os, "sysconf", lambda name: sizes[name] if name in sizes else real_sysconf(name))
    patch.setattr(os, "statvfs", lambda _path: disk)
    patch.setattr(sampling, "read_proc", Ticks())
    patch.setitem(sys.modules, "pynvml", nvml())
    return clock


def nvml() -> Any:
    """NVIDIA's driver with two cards that nobody computes on unasked; they have no UUID, so nothing beyond the test's
    own shed is locked for them."""
    driver: Any = SimpleNamespace(
        NVMLError=type("NVMLError", (Exception,), {}),
        NVMLLibraryMismatchError=type("NVMLLibraryMismatchError", (Exception,), {}),
        NVML_TEMPERATURE_GPU=0,
        NVML_DEVICE_MIG_ENABLE=1,
        nvmlMemory_v2=2,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(CARDS),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda _card: "NVIDIA A100",
        nvmlDeviceGetUUID=lambda _card: "",
        nvmlDeviceGetMigMode=lambda _card: (0, 0),
        nvmlDeviceGetComputeRunningProcesses=lambda _card: [],
        nvmlDeviceGetGraphicsRunningProcesses=lambda _card: [],
        nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu=CARDS[card][0]),
        nvmlDeviceGetTemperature=lambda card, _sensor: CARDS[card][2],
        nvmlDeviceGetPowerUsage=lambda card: CARDS[card][3] * 1000,
        nvmlDeviceGetEnforcedPowerLimit=lambda _card: 400_000,
        nvmlSystemGetDriverVersion=lambda: "570.86",
        nvmlSystemGetCudaDriverVersion=lambda: 12080,
    )

    def memory(card: int, version: int = 1) -> Any:
        used = CARDS[card][1] * GIB
        return SimpleNamespace(total=80 * GIB, used=used, free=80 * GIB - used)

    driver.nvmlDeviceGetMemoryInfo = memory
    return driver
