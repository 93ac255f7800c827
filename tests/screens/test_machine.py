"""Machine: devices and who has them, the queue in its order, hours and disk."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runners import leases
from runners.actions import queueing
from runners.actions.gpus import overview
from runners.gpus import GpuProcess
from screens.machine import Machine, devices_told
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.read import runs as read_runs
from storage.shed import Shed, current_user
from tests.lessees import card
from tests.scenes import run_of
from tests.screens.driving import Driven, driving

GB = 1_000_000_000


def waiting(shed: Shed, name: str) -> int:
    return queueing.execute(shed, ["true"], cwd=Path("/"), name=name).run.id or 0


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
            await driven.sees("1 holder", "free", str(os.getpid()))
            await driven.press("r")
            await driven.sees("Run 1 is running")
            await driven.press("enter")
            assert isinstance(driven.app.screen, RunPage)


async def test_nothing_is_drawn_again_while_nothing_changes(shed: Shed) -> None:
    async with driving(shed) as driven:
        screen = await in_machine(driven)
        await driven.until(lambda: all(grid._shown for grid in screen.query(Grid)))
        before = {grid.id: dict(grid._shown) for grid in screen.query(Grid)}
        answered = screen.answered
        screen.refetch()
        await driven.until(lambda: screen.answered > answered)
        assert {grid.id: dict(grid._shown) for grid in screen.query(Grid)} == before


async def test_what_gc_would_free_is_told_on_demand_and_freed_after_a_second_key(shed: Shed) -> None:
    digest = shed.objects.put_bytes(b"x" * 5000)
    path = shed.objects.path(digest)
    async with driving(shed) as driven:
        screen = await in_machine(driven)
        await driven.press("D")
        await driven.sees("Look first")
        await driven.press("d")
        await driven.sees("There is nothing to free")  # it is too young
        from runners.actions import garbage

        screen._garbage = garbage.collect(shed, dry_run=True, now=time.time() + 2 * garbage.DAY)
        screen._show_disk()
        await driven.sees("gc frees 5.0 kB", "1 objects", "D removes it")
        await driven.press("D")
        await driven.sees("removed for good")
        await driven.press("escape")
        assert path.exists()


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
        _, rows = devices_told(overview(shed, cards), time.time(), names=True)
    told = ["".join(part.text for cell in row.cells for part in cell) for row in rows]
    assert told[0].startswith("gpu0NVIDIA A100") and "87 %41.0 GB of 80.0 GB310 W61°ana1 big" in told[0]
    assert str(os.getpid()) in told[1] and "40.0 GB" in told[1] and rows[1].plain
