"""Runs, and a run's page: filter, sort, mark, look in, and act."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from screens.run import RunPage
from screens.runs import Runs
from screens.widgets.chart import Chart
from screens.widgets.grid import Grid
from screens.widgets.log import Log
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import new_run, run_of, write_series
from tests.screens.driving import Driven, driving

SIZES = [(80, 24), (120, 40), (200, 50)]
HOSTILE = "\x1b[31mred [/] [@click=app.quit] \u202eevil"


async def in_runs(driven: Driven) -> Grid:
    await driven.press("3")
    return driven.app.screen.query_one("#runs", Grid)


async def first_chart(driven: Driven) -> Chart:
    await driven.until(lambda: len(driven.app.screen.query(Chart)) > 0)
    return driven.app.screen.query(Chart).first()


@pytest.mark.parametrize("size", SIZES)
async def test_runs_stand_in_a_table_the_newest_first(shed: Shed, size: tuple[int, int]) -> None:
    for name, status in (("one-early", "done"), ("one-late", "failed")):
        run_of(shed, name, status=status)
    async with driving(shed, size=size) as driven:
        await in_runs(driven)
        late = next(line for line in driven.lines if " one-late " in line and "╭" not in line)
        early = next(line for line in driven.lines if " one-early " in line and "╭" not in line)
        assert driven.lines.index(late) < driven.lines.index(early)
        assert "✗" in late and "failed" in late and "✓" in early and "done" in early


async def test_a_filter_leaves_only_what_fits_it(shed: Shed) -> None:
    run_of(shed, "good")
    run_of(shed, "bad", status="failed")
    async with driving(shed) as driven:
        grid = await in_runs(driven)
        await driven.pilot.press("slash")
        await driven.type("status=failed")
        await driven.press("enter")
        await driven.until(lambda: grid.total == 1)
        await driven.sees("bad", "status=failed")
        assert "good" not in driven.text
        await driven.press("escape")
        await driven.until(lambda: grid.total == 2)


async def test_a_filter_that_cannot_be_read_says_what_would_be(shed: Shed) -> None:
    run_of(shed, "good")
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.pilot.press("slash")
        await driven.type("lr>much")
        await driven.pilot.press("enter")
        await driven.sees("a number after >")


async def test_the_cursor_stays_on_its_run_when_newer_ones_come(shed: Shed) -> None:
    first = run_of(shed, "first")
    async with driving(shed) as driven:
        grid = await in_runs(driven)
        assert grid.key == first.id
        run_of(shed, "second")
        await driven.until(lambda: grid.total == 2)
        run_of(shed, "third")  # right after a reading: it is seen by the next
        await driven.until(lambda: grid.total == 3)
        assert grid.key == first.id and grid.cursor == 2


async def test_any_number_of_runs_is_scrolled_through_in_windows(shed: Shed) -> None:
    with shed.writing("runs made", "all of them") as write:
        for number in range(700):
            write_runs.insert(write, new_run(f"run-{number:03d}"), status="done", created_at=time.time())
    async with driving(shed) as driven:
        grid = await in_runs(driven)
        await driven.press("G")
        await driven.sees("run-000")
        assert grid.total == 700 and len(grid._rows) <= 500
        await driven.press("g")
        await driven.sees("run-699")


async def test_marks_stay_with_their_runs(shed: Shed) -> None:
    ids = [run_of(shed, name).id for name in ("a", "b")]
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("space", "space")
        view = driven.app.view
        assert isinstance(view, Runs) and sorted(view.marked) == ids
        await driven.sees("2 marked")
        await driven.press("escape")
        assert not view.marked


async def test_the_metric_of_the_gate_and_params_that_differ_have_columns(shed: Shed) -> None:
    for lr in ("0.1", "0.2"):
        run = run_of(
            shed, f"lr {lr}".replace(" ", "-"), params={"lr": lr, "seed": 1}, spec={"gate": {"metric": "auroc"}}
        )
        write_runs.measured(shed, run.id or 0, {"test/auroc": 0.7})
    async with driving(shed, size=(120, 30)) as driven:
        await in_runs(driven)
        titles = [column.title for column in driven.app.screen.query_one("#runs", Grid).columns]
        assert "auroc" in titles and "lr" in titles and "seed" not in titles


async def test_names_that_a_terminal_would_obey_are_written_out(shed: Shed) -> None:
    run_of(shed, HOSTILE, status="failed", reason=HOSTILE, log=HOSTILE.encode() + b"\x1b]52;c;aGk=\x07\n")
    async with driving(shed, size=(120, 30)) as driven:
        await in_runs(driven)
        await driven.press("enter")
        for key in ("w", "l", "n", "o", "p", "v", "a", "d"):
            await driven.press(key)
            assert "\x1b" not in driven.text and "\u202e" not in driven.text and "\x07" not in driven.text
        assert driven.app.is_running


async def test_a_failed_run_opens_on_the_reason_and_what_to_do(shed: Shed) -> None:
    run_of(shed, "bad", status="failed", reason="ValueError: no such column (pipeline.py:12)", log=b"one\nlast words\n")
    async with driving(shed, size=(100, 30)) as driven:
        await in_runs(driven)
        await driven.press("enter")
        await driven.sees("It failed", "ValueError: no such column", "last words", "resume it")


async def test_curves_follow_a_run_at_work(shed: Shed) -> None:
    run = run_of(shed, "live", status="running")
    directory = shed.run_dir(run.id or 0) / "metrics"
    write_series(directory, "train/loss", [3.0, 2.0])
    async with driving(shed, size=(100, 30)) as driven:
        await in_runs(driven)
        await driven.press("enter")
        chart = await first_chart(driven)
        await driven.until(lambda: chart.picture.curves and chart.picture.curves[0].last == 2.0)
        write_series(directory, "train/loss", [3.0, 2.0, 1.0])
        await driven.until(lambda: chart.picture.curves[0].last == 1.0)


async def test_a_chart_has_a_cursor_zoom_and_other_scales(shed: Shed) -> None:
    run = run_of(shed, "x")
    write_series(shed.run_dir(run.id or 0) / "metrics", "loss", [float(i) for i in range(1, 101)])
    async with driving(shed, size=(100, 30)) as driven:
        await in_runs(driven)
        await driven.press("enter")
        chart = await first_chart(driven)
        await driven.until(lambda: driven.app.focused is chart and chart.picture.curves)
        await driven.press("left")
        assert chart.picture.cursor == 99.0
        await driven.press("plus")
        assert chart.picture.zoom is not None
        await driven.press("0", "L", "S")
        assert chart.picture.zoom is None and chart.picture.log and chart.picture.smoothing > 0
        await driven.press("X")
        await driven.until(lambda: chart.picture.x_name == "time")


async def test_the_log_is_searched_and_followed(shed: Shed) -> None:
    run = run_of(shed, "x", log=b"".join(b"line %d\n" % i for i in range(5000)))
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("enter", "l")
        await driven.sees("line 4999")
        await driven.pilot.press("slash")
        await driven.type("line 77")
        await driven.pilot.press("enter")
        await driven.sees("line 77")
        log = driven.app.screen.query_one(Log)
        assert not log.following and log.hit == 77
        await driven.press("G")
        with (shed.run_dir(run.id or 0) / "log").open("ab") as file:
            file.write(b"the newest\n")
        log.look()
        await driven.sees("the newest")


async def test_a_note_and_a_tag_are_kept(shed: Shed) -> None:
    run_of(shed, "x")
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("enter")
        await driven.pilot.press("N")
        await driven.type("odd curve")
        await driven.press("enter")
        await driven.pilot.press("T")
        await driven.type("baseline")
        await driven.press("enter", "n")
        await driven.sees("odd curve", "baseline")


async def test_what_cannot_be_done_with_a_run_says_why(shed: Shed) -> None:
    run_of(shed, "x")
    async with driving(shed) as driven:
        await in_runs(driven)
        await driven.press("enter", "x")
        await driven.sees("there is nothing to stop")
        assert isinstance(driven.app.screen, RunPage)
        await driven.press("escape")
        assert isinstance(driven.app.screen, Runs)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (120, 40), (200, 50)])
async def test_every_part_of_a_page_fits_any_terminal(shed: Shed, tmp_path: Path, size: tuple[int, int]) -> None:
    run = run_of(shed, "x" * 60, status="failed", reason="no " * 60, params={"lr": 0.1}, log=b"hello\n" * 50)
    write_series(shed.run_dir(run.id or 0) / "metrics", "train/loss", [3.0, float("nan"), 1.0])
    async with driving(shed, size=size) as driven:
        await in_runs(driven)
        await driven.press("enter")
        for key in ("w", "c", "v", "l", "p", "m", "d", "a", "o", "n"):
            await driven.press(key)
            assert all(len(line) >= size[0] // 2 for line in driven.lines)
        await driven.pilot.resize_terminal(60, 15)
        await driven.settled()
