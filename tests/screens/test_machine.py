"""Machine: devices and who has them, the queue in its order, hours and disk."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runners import leases
from runners.actions import garbage, queueing
from runners.actions.gpus import overview
from runners.gpus import GpuProcess
from screens.machine import Machine
from screens.machine_lists import devices_told
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.read import runs as read_runs
from storage.shed import Shed, current_user
from storage.tables import DeviceUse
from tests.lessees import card
from tests.scenes import dataset_version_of, run_of
from tests.screens.driving import Driven, driving

GB = 1_000_000_000


def waiting(shed: Shed, name: str) -> int:
    return queueing.execute(shed, ["true"], cwd=Path("/"), name=name).run.id or 0


def garbage_of(shed: Shed, size: int) -> Path:
    """The directory of a run that is gone since long."""
    folder = shed.run_dir(77)
    folder.mkdir(parents=True)
    (folder / "log").write_bytes(b"x" * size)
    return folder


async def in_machine(driven: Driven) -> Machine:
    await driven.press("8")
    screen = driven.app.screen
    assert isinstance(screen, Machine)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_devices_the_queue_hours_and_disk_stand_together(busy: Shed, size: tuple[int, int]) -> None:
    waiting(busy, "later")
    async with driving(busy, size=size) as driven:
        await in_machine(driven)
        await driven.sees("cpu0", current_user(), "queue · 1", "later", "device-hours", "disk", "free of")


async def test_the_queue_stands_in_its_order_and_its_keys_work_here(busy: Shed) -> None:
    one, two = waiting(busy, "one"), waiting(busy, "two")
    async with driving(busy) as driven:
        screen = await in_machine(driven)
        await driven.press("tab", "j")
        grid = screen.query_one("#queue", Grid)
        assert grid.key == two
        await driven.press("K")
        await driven.until(lambda: [row.key for row in grid._rows] == [two, one])
        await driven.press("x", "y")
        await driven.until(lambda: read_runs.run(busy, two).status == "stopped")
        await driven.until(lambda: [row.key for row in grid._rows] == [one])


async def test_enter_on_a_device_leads_to_the_run_that_holds_it(shed: Shed) -> None:
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    run = run_of(shed, "holder", status="running")
    lease = leases.take(shed, run.id or 0, ["cpu0"], memory=None, user=current_user())
    assert lease is not None
    with lease:
        async with driving(shed) as driven:
            await in_machine(driven)
            await driven.sees("1 holder", "free")
            await driven.press("r")
            await driven.sees("Run 1 is running")
            await driven.press("enter")
            assert isinstance(driven.app.screen, RunPage)


async def test_processes_fold_where_they_would_push_devices_out_and_p_shows_their_tree(shed: Shed) -> None:
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 4\n")
    run = run_of(shed, "holder", status="running")
    lease = leases.take(shed, run.id or 0, ["cpu0"], memory=None, user=current_user())
    assert lease is not None
    with lease:
        async with driving(shed) as driven:
            screen = await in_machine(driven)
            await driven.sees("│▸cpu0", "│ cpu1", "devices · p shows")
            await driven.press("p")
            await driven.sees(f"supervisor of 1 holder  {os.getpid()}")
            await driven.press("j", "enter")
            assert isinstance(driven.app.screen, RunPage)
            await driven.press("escape", "p")
            await driven.sees("devices · p shows")
            assert screen.query_one("#devices", Grid).total == 4


async def test_nothing_is_drawn_again_while_nothing_changes(shed: Shed) -> None:
    async with driving(shed) as driven:
        screen = await in_machine(driven)
        await driven.until(lambda: all(grid._shown for grid in screen.query(Grid)))
        before = {grid.id: dict(grid._shown) for grid in screen.query(Grid)}
        answered = screen.answered
        screen.refetch()
        await driven.until(lambda: screen.answered > answered)
        assert {grid.id: dict(grid._shown) for grid in screen.query(Grid)} == before


async def test_what_takes_the_disk_is_told_the_largest_first_with_what_gc_frees(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "SETTLED_S", -60.0)  # as if the hour had passed
    run_of(shed, "long", log=b"x" * 9000)
    dataset_version_of(shed, "birds", {"a.png": b"a" * 4000})
    path = garbage_of(shed, 5000)
    async with driving(shed, size=(200, 50)) as driven:
        screen = await in_machine(driven)
        await driven.sees("runs 9.0 kB", "datasets 4.", "gc frees 5.0 kB")
        told = "\n".join(driven.lines)
        assert told.index("long") < told.index("run directories") < told.index("birds")
        await driven.press("D")
        await driven.sees("removed for good")
        await driven.press("y")
        await driven.sees("5.0 kB freed")
        await driven.sees("nothing for gc")
        assert not path.exists()
        screen.query_one("#disk", Grid).focus()
        screen.query_one("#disk", Grid).move_to_key("run 1")
        await driven.press("enter")
        assert isinstance(driven.app.screen, RunPage)


async def test_files_of_thousands_of_runs_are_looked_at_only_when_asked(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.machine.FEW_RUNS", 1)
    run_of(shed, "one", log=b"x" * 100)
    run_of(shed, "two")
    async with driving(shed) as driven:
        await in_machine(driven)
        await driven.sees("d measures it")
        await driven.press("D")
        await driven.sees("Look first")
        await driven.press("d")
        await driven.sees("100 B")


async def test_the_last_hour_and_what_comes_stand_on_one_axis(busy: Shed) -> None:
    """The slot had a run half an hour ago, is held by one that nobody knows, and another waits for it."""
    before = run_of(busy, "before")
    now = time.time()
    with busy.writing("held", "a run") as write:
        write.session.add(
            DeviceUse(
                run_id=before.id or 0,
                user="bob",
                host=socket.gethostname(),
                device="cpu0",
                started_at=now - 2400,
                ended_at=now - 1200,
            )
        )
    waiting(busy, "later")
    async with driving(busy) as driven:
        await in_machine(driven)
        await driven.sees("-30 min", "now", "+1 h", "1 before", "later")


def test_a_gpu_tells_its_readings_lease_and_processes(shed: Shed) -> None:
    run = run_of(shed, "big", status="running")
    cards = [
        replace(
            card(0, total=80 * GB, used=41 * GB, computing=(GpuProcess(os.getpid(), 40 * GB),)),
            name="NVIDIA A100",
            utilization_percent=87.0,
            power_w=310.4,
            temperature_c=61.0,
        )
    ]
    lease = leases.take(shed, run.id or 0, ["gpu0"], memory=None, user="ana", readings=cards)
    assert lease is not None
    with lease:
        _, rows = devices_told(overview(shed, cards), time.time(), names=True, unfolded=True)
    told = ["".join(part.text for cell in row.cells for part in cell) for row in rows]
    assert told[0].startswith("gpu0NVIDIA A100") and "87 %41.0 GB of 80.0 GB310 W61°ana1 big" in told[0]
    assert told[1].strip().startswith(f"supervisor of 1 big  {os.getpid()}") and "40.0 GB" in told[1]
