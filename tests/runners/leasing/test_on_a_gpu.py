"""What only a real driver can show: readings, strangers, what a child sees, and two sheds after one GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runners import gpus, leases
from runners.gpus import Reading
from storage.settings import Settings
from storage.shed import open_shed
from tests.waiting import until

pytestmark = pytest.mark.gpu
HOG = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, (name, code)
count, device, context, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuInit", 0)
call("cuDeviceGetCount", ctypes.byref(count))
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(2 << 30))
print(count.value, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def reading() -> Reading:
    found = gpus.readings()
    if not found:
        pytest.skip("no NVIDIA GPU here")
    if found[0].mig:
        pytest.skip("this GPU is divided by MIG")
    return found[0]


@contextmanager
def hog(env: dict[str, str] | None = None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds 2 GiB of a GPU, and the number of GPUs that it sees."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOG],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_a_gpu_tells_its_name_memory_and_processes(reading: Reading) -> None:
    assert reading.uuid.startswith("GPU-") and reading.device == "gpu0" and reading.name
    assert reading.total_bytes and reading.free_bytes is not None and reading.used_bytes is not None
    assert reading.used_bytes + reading.free_bytes <= reading.total_bytes
    assert reading.computing is not None


def test_a_stranger_is_named_until_it_is_gone(reading: Reading, tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    uuid = reading.uuid

    def stranger() -> str:
        return next(slot for slot in leases.slots(shed, Settings()) if slot.name == "gpu0").stranger

    if stranger():
        pytest.skip(f"somebody works on {uuid}: {stranger()}")
    with hog({"CUDA_VISIBLE_DEVICES": uuid}):
        assert until(stranger)
    until(lambda: not stranger())


def test_a_child_of_the_lease_holder_is_no_stranger_and_sees_one_gpu(reading: Reading, tmp_path: Path) -> None:
    shed = open_shed(tmp_path / "shed")
    lease = leases.take(shed, 1, ["gpu0"], memory=None, user="ana")
    if lease is None:
        pytest.skip("another shed has this GPU")
    with lease, hog(leases.environment(lease)) as (_, count):
        assert count == 1
        assert leases.slots(shed, Settings())[0].stranger == ""


def test_two_sheds_do_not_take_one_gpu_together(reading: Reading, tmp_path: Path) -> None:
    one, other = open_shed(tmp_path / "one"), open_shed(tmp_path / "other")
    lease = leases.take(one, 7, ["gpu0"], memory=None, user="ana")
    if lease is None:
        pytest.skip("another shed has this GPU")
    with lease:
        assert leases.take(other, 8, ["gpu0"], memory=None, user="bo") is None
        assert leases.slots(other, Settings())[0].stranger == f"run 7 of ana, of the shed {one.root}"
    again = leases.take(other, 8, ["gpu0"], memory=None, user="bo")
    assert again is not None
    again.release()
