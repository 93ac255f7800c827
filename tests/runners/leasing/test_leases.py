"""A lease has one holder, whoever asks, and ends with the last process that has it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from runners import leases
from runners.gpus import Reading
from runners.leasing import holding, lockfiles, machinewide
from runners.supervision.processes import identify, identify_self
from storage.errors import ShedError, UsageError
from storage.settings import QueueSection, Settings
from storage.shed import Shed, open_shed
from tests.lessees import Lessee, card
from tests.waiting import until

GB = 1_000_000_000
GROUP = 60000
Start = Callable[..., Lessee]


@pytest.fixture
def start(shed: Shed) -> Iterator[Start]:
    started: list[Lessee] = []

    def begin(**how: object) -> Lessee:
        started.append(Lessee(shed.root, **how))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for lessee in started:
        lessee.kill()


def test_a_device_has_one_holder_and_the_others_are_told_no_at_once(shed: Shed) -> None:
    with leases.take(shed, 7, ["cpu0"], memory=None, user="ana") as lease:  # type: ignore[union-attr]
        assert lease.devices == ("cpu0",)
        assert leases.take(shed, 8, ["cpu0"], memory=None, user="bo") is None
        (holder,) = leases.holders(shed)["cpu0"]
        assert (holder.run_id, holder.user, holder.pid, holder.memory) == (7, "ana", os.getpid(), None)
        assert holder.process == identify_self()
    assert leases.holders(shed) == {}
    assert leases.take(shed, 8, ["cpu0"], memory=None, user="bo") is not None


def test_several_devices_are_had_all_or_none(shed: Shed) -> None:
    one = leases.take(shed, 1, ["gpu1"], memory=None, user="ana", readings=[])
    assert leases.take(shed, 2, ["gpu0", "gpu1", "gpu2"], memory=None, user="bo", readings=[]) is None
    assert set(leases.holders(shed)) == {"gpu1"}
    assert one is not None
    one.release()
    both = leases.take(shed, 2, ["gpu2", "gpu0", "gpu0"], memory=None, user="bo", readings=[])
    assert both is not None and both.devices == ("gpu0", "gpu2")


def test_a_lease_may_be_released_twice(shed: Shed) -> None:
    lease = leases.take(shed, 1, ["cpu0"], memory=None, user="ana")
    assert lease is not None
    lease.release()
    lease.release()


@pytest.mark.parametrize("name", ["../x", "gpu", "gpu-1", "gpu01", "cpu0\n", "write", "gpu0.claim.0"])
def test_only_devices_can_be_leased(shed: Shed, name: str) -> None:
    with pytest.raises(UsageError, match="is not a device"):
        leases.take(shed, 1, ["cpu0", name], memory=None, user="ana")
    assert leases.holders(shed) == {}


def test_claims_share_a_gpu_up_to_its_memory(shed: Shed) -> None:
    cards = [card(total=80 * GB)]

    def claim(run: int, memory: int | None) -> leases.Lease | None:
        return leases.take(shed, run, ["gpu0"], memory=memory, user="ana", readings=cards)

    first, second = claim(1, 50 * GB), claim(2, 30 * GB)
    assert first is not None and second is not None
    assert claim(3, 1) is None
    assert claim(4, None) is None  # nobody has alone what others share
    assert sorted((h.run_id, h.memory) for h in leases.holders(shed)["gpu0"]) == [(1, 50 * GB), (2, 30 * GB)]
    first.release()
    assert [h.run_id for h in leases.holders(shed)["gpu0"]] == [2]
    third = claim(3, 50 * GB)
    assert third is not None
    second.release()
    third.release()
    alone = claim(4, None)
    assert alone is not None
    assert claim(5, 1) is None
    alone.release()
    assert claim(6, 81 * GB) is None
    assert leases.holders(shed) == {}


def test_claim_files_of_the_dead_are_taken_away(shed: Shed) -> None:
    cards = [card()]
    for run in range(3):
        with leases.take(shed, run, ["gpu0"], memory=GB, user="ana", readings=cards):  # type: ignore[union-attr]
            pass
    leases.take(shed, 9, ["gpu0"], memory=GB, user="ana", readings=cards)
    assert len(list(shed.locks.glob("gpu0.claim.*"))) == 1


def test_where_the_memory_is_unknown_a_claim_has_the_device_alone(shed: Shed) -> None:
    cards = [card(total=None)]
    for device in ("gpu0", "cpu0"):
        lease = leases.take(shed, 1, [device], memory=GB, user="ana", readings=cards)
        assert lease is not None
        assert leases.take(shed, 2, [device], memory=GB, user="bo", readings=cards) is None
        assert [holder.memory for holder in leases.holders(shed)[device]] == [None]


def test_a_claim_that_cannot_be_read_counts_for_all_the_memory(shed: Shed) -> None:
    cards = [card(total=80 * GB)]
    lease = leases.take(shed, 1, ["gpu0"], memory=GB, user="ana", readings=cards)
    assert lease is not None
    (file,) = shed.locks.glob("gpu0.claim.*")
    file.write_text("rubbish")
    assert leases.take(shed, 2, ["gpu0"], memory=GB, user="bo", readings=cards) is None
    (holder,) = leases.holders(shed)["gpu0"]
    assert (holder.run_id, holder.user, holder.pid) == (0, "", 0)


def test_what_a_lock_file_says_counts_only_while_it_is_locked(shed: Shed) -> None:
    (shed.locks / "gpu0").write_text('{"run": 1, "user": "ghost", "process": {}, "memory": null, "since": 0}')
    (shed.locks / "gpu0.claim.00").write_text('{"run": 1, "memory": 99999999999}')
    assert leases.holders(shed) == {}
    assert leases.take(shed, 2, ["gpu0"], memory=80 * GB, user="bo", readings=[card(total=80 * GB)]) is not None


def test_a_killed_holder_frees_its_lease_at_once(shed: Shed, start: Start) -> None:
    lessee = start()
    assert lessee.take(["cpu0", "cpu1"], run=5)
    assert [holder.run_id for holder in leases.holders(shed)["cpu1"]] == [5]
    lessee.kill()
    assert leases.holders(shed) == {}
    assert leases.take(shed, 6, ["cpu0", "cpu1"], memory=None, user="bo") is not None


@pytest.mark.parametrize("memory", [None, 30 * GB])
def test_an_inherited_lease_lasts_until_the_child_is_gone(shed: Shed, start: Start, memory: int | None) -> None:
    lessee, cards = start(), [card(total=80 * GB)]
    assert lessee.take(["gpu0"], memory, run=5, total=80 * GB)
    child = identify(lessee.start_child())
    lessee.kill()
    assert [holder.run_id for holder in leases.holders(shed)["gpu0"]] == [5]
    assert leases.take(shed, 6, ["gpu0"], memory=60 * GB, user="bo", readings=cards) is None
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: leases.take(shed, 6, ["gpu0"], memory=60 * GB, user="bo", readings=cards))


def test_a_release_leaves_the_child_its_lease(shed: Shed, start: Start) -> None:
    lessee = start()
    assert lessee.take(["cpu0"], run=5)
    child = lessee.start_child()
    lessee.release()
    assert not lessee.take(["cpu0"])
    os.kill(child, signal.SIGKILL)
    until(lambda: lessee.take(["cpu0"]))


def test_a_lease_whose_details_cannot_be_written_is_not_granted(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for memory in (None, GB):
        with pytest.raises(ShedError, match="No space left"):
            leases.take(shed, 1, ["gpu0", "cpu0"], memory=memory, user="ana", readings=[card()])
    monkeypatch.undo()
    assert leases.holders(shed) == {}


def test_a_process_that_hangs_over_the_locks_is_told_of(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "TURN_S", 0.05)
    fd = lockfiles.opened(shed.locks / "leases")
    assert lockfiles.lock(fd)
    with pytest.raises(ShedError, match="held the leases' lock") as caught:
        leases.take(shed, 1, ["cpu0"], memory=None, user="ana")
    assert "fuser" in caught.value.todo
    lockfiles.give_up(fd)
    assert leases.take(shed, 1, ["cpu0"], memory=None, user="ana") is not None


def test_lock_files_belong_to_the_whole_group_whatever_the_umask(shed: Shed, start: Start) -> None:
    assert start().take(["gpu0"], GB, total=80 * GB)  # its umask is 077
    for file in shed.locks.iterdir():
        assert oct(file.stat().st_mode & 0o777) == oct(0o660), file.name


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be two other users")
def test_users_of_one_group_keep_each_other_off_a_device() -> None:
    with tempfile.TemporaryDirectory() as folder:  # the directories above tmp_path are closed to other users
        root, cards = Path(folder), [card(total=80 * GB)]
        shed = open_shed(root / "shed")
        for path in (root, shed.root, *shed.root.rglob("*")):
            os.chown(path, -1, GROUP)
        root.chmod(0o750)
        shed.root.chmod(0o2770)

        def take(user: str, memory: int | None) -> Callable[[], leases.Lease | None]:
            return lambda: leases.take(shed, 1, ["gpu0"], memory=memory, user=user, readings=cards)

        with held_as(60002, take("bo", 30 * GB)) as second:
            with held_as(60001, take("ana", 50 * GB)) as first, held_as(60003, take("cy", GB)) as third:
                assert (first, second, third) == (True, True, False)
                assert sorted(holder.user for holder in leases.holders(shed)["gpu0"]) == ["ana", "bo"]
            assert [holder.user for holder in leases.holders(shed)["gpu0"]] == ["bo"]
        with held_as(60003, take("cy", None)) as alone, held_as(60001, take("ana", GB)) as beside:
            assert (alone, beside) == (True, False)


@contextmanager
def held_as(uid: int, take: Callable[[], leases.Lease | None]) -> Iterator[bool]:
    """Whether a process of this user got its lease, which it holds as long as this lasts."""
    told, tell = os.pipe()
    go_on, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(uid)
            os.umask(0o077)
            os.close(end)
            os.write(tell, b"yes" if take() else b"no")
            os.read(go_on, 1)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(go_on)
    try:
        yield {b"yes": True, b"no": False}[os.read(told, 3)]
    finally:
        os.close(end)
        os.waitpid(pid, 0)
        os.close(told)


def test_slots_are_the_gpus_that_can_be_given_and_the_cpu_slots_of_the_settings(shed: Shed) -> None:
    cards = [card(0, total=80 * GB, used=GB // 2), card(1, mig=True), card(2, total=None)]
    found = leases.slots(shed, Settings(queue=QueueSection(cpu_slots=2)), cards)
    assert [(slot.name, slot.memory_bytes) for slot in found] == [
        ("gpu0", 80 * GB),
        ("gpu2", None),
        ("cpu0", None),
        ("cpu1", None),
    ]
    assert found[0].free_bytes == 80 * GB - GB // 2
    assert [slot.stranger for slot in found] == ["", "", "", ""]


def test_a_child_sees_the_gpus_of_its_lease_and_no_others() -> None:
    cards = [replace(card(index), uuid=f"GPU-a{index}") for index in range(3)]
    some = leases.Lease(1, "ana", ("gpu0", "gpu2"), None)
    assert leases.environment(some, cards)["CUDA_VISIBLE_DEVICES"] == "GPU-a0,GPU-a2"
    assert leases.environment(some, cards)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert leases.environment(leases.Lease(1, "ana", ("cpu0",), None), cards)["CUDA_VISIBLE_DEVICES"] == ""
    assert leases.environment(leases.Lease(1, "ana", ("cpu0",), None), []) == {}


def test_another_shed_keeps_a_gpu_that_it_has(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    mine = machinewide.take("GPU-1", {"run": 4, "user": "ana", "shed": "/one"}, shared=False, place=place)
    assert mine
    assert machinewide.take("GPU-1", {}, shared=True, place=place) is None
    assert machinewide.take("GPU-2", {}, shared=True, place=place)
    found = machinewide.holder("GPU-1", place)
    assert found is not None and (found["run"], found["user"], found["shed"]) == (4, "ana", "/one")
    os.close(mine[0])
    assert machinewide.holder("GPU-1", place) is None
    assert oct(place.stat().st_mode & 0o7777) == oct(0o1777)


@pytest.fixture
def known_everywhere() -> Iterator[Reading]:
    """A GPU that has a UUID, and so a lock for all sheds of this machine."""
    reading = replace(card(total=80 * GB), uuid=f"test-{uuid4().hex}")
    yield reading
    (machinewide.PLACE / reading.uuid).unlink(missing_ok=True)


def test_two_sheds_of_one_machine_never_have_one_gpu_together(tmp_path: Path, known_everywhere: Reading) -> None:
    one, other, cards = open_shed(tmp_path / "one"), open_shed(tmp_path / "other"), [known_everywhere]
    lease = leases.take(one, 7, ["gpu0"], memory=GB, user="ana", readings=cards)
    assert lease is not None
    if len(lease.fds) < 3:
        pytest.skip(f"{machinewide.PLACE} cannot be used here")
    assert leases.take(other, 8, ["gpu0"], memory=None, user="bo", readings=cards) is None
    assert leases.holders(other) == {}
    assert leases.slots(other, Settings(), cards)[0].stranger == f"run 7 of ana, of the shed {one.root}"
    assert leases.slots(one, Settings(), cards)[0].stranger == ""
    lease.release()
    assert leases.slots(other, Settings(), cards)[0].stranger == ""
    assert leases.take(other, 8, ["gpu0"], memory=None, user="bo", readings=cards) is not None


def test_without_a_place_for_all_sheds_leases_do_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for place in (tmp_path / "file", tmp_path / "link", tmp_path / "no" / "where"):
        assert machinewide.take("GPU-1", {}, shared=False, place=place) == []
        assert machinewide.holder("GPU-1", place) is None
    assert machinewide.take("../up", {}, shared=False, place=tmp_path / "lock") == []
