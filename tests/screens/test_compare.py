"""Compare: what differs between marked runs, and how they went."""

from __future__ import annotations

import pytest

from screens.charts.parallel import dimension, parallel, scatter
from screens.charts.side_by_side import side_by_side
from screens.compare import Compare
from screens.run import RunPage
from screens.widgets.grid import Grid
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import run_of, write_series
from tests.screens.driving import Driven, driving


def three_runs(shed: Shed) -> list[int]:
    ids = []
    for lr, auroc in ((0.1, 0.70), (0.01, 0.75), (0.001, 0.72)):
        spec = {"gate": {"metric": "auroc"}}
        run = run_of(shed, f"lr-{lr}", params={"lr": lr, "epochs": 3}, spec=spec)
        write_runs.measured(shed, run.id or 0, {"test/auroc": auroc})
        write_series(shed.run_dir(run.id or 0) / "metrics", "val/auroc", [0.5, 0.6, auroc])
        ids.append(run.id or 0)
    return ids


async def in_compare(driven: Driven) -> Compare:
    await driven.press("3", "space", "space", "space", "4")
    view = driven.app.view
    assert isinstance(view, Compare)
    return view


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_marked_runs_stand_side_by_side_with_the_best_marked(shed: Shed, size: tuple[int, int]) -> None:
    three_runs(shed)
    async with driving(shed, size=size) as driven:
        await in_compare(driven)
        await driven.sees("3 runs", "params that differ", "lr", "0.7500 ★", "val/auroc")
        assert "epochs" not in driven.text


async def test_runs_are_ordered_by_a_metric_and_opened(shed: Shed) -> None:
    ids = three_runs(shed)
    async with driving(shed, size=(140, 40)) as driven:
        view = await in_compare(driven)
        grid = view.query_one(Grid)
        grid.move_to_key(("metric", "test/auroc"))
        await driven.press("comma")
        assert view._order == [ids[0], ids[2], ids[1]]
        await driven.press("full_stop")
        assert view._order == [ids[1], ids[2], ids[0]]
        await driven.press("right", "enter")
        await driven.until(lambda: isinstance(driven.app.screen, RunPage) and driven.app.screen.run_id == ids[1])


async def test_three_drawings_of_the_same_runs(shed: Shed) -> None:
    three_runs(shed)
    async with driving(shed, size=(140, 40)) as driven:
        await in_compare(driven)
        await driven.sees("curves", "━")
        await driven.press("tab")
        await driven.sees("test/auroc by lr", "●")
        await driven.press("tab")
        await driven.sees("all at once", "0.1000", "0.001")


async def test_a_metric_without_a_curve_has_a_dot_for_each_run(shed: Shed) -> None:
    for run_id, seconds in zip(three_runs(shed), (3.5, 1.25, None), strict=True):
        write_runs.measured(shed, run_id, {"test/seconds": seconds} if seconds is not None else {})
    async with driving(shed, size=(140, 40)) as driven:
        view = await in_compare(driven)
        view.query_one(Grid).move_to_key(("metric", "test/seconds"))
        await driven.sees("─●", "1.25", "3.5")
        view.query_one(Grid).move_to_key(("metric", "test/auroc"))
        await driven.sees("val/auroc  ━")


def test_dots_stand_on_one_scale_and_what_has_no_value_keeps_its_line() -> None:
    metric = dimension("mae", [2.0, 1.0, None, float("nan")])
    told = side_by_side(metric, ["1 a", "2 b", "3 c", "4 d"], ["", "", "", ""], {1}, 50, 12)
    text = ["".join(part.text for part in line) for line in told]
    assert text[0].startswith("mae") and text[2].rstrip().endswith("1 ★") and all(len(line) == 50 for line in text)
    assert text[2].index("●") < text[1].index("●") and "●" not in text[3] + text[4]
    assert len(side_by_side(metric, ["1 a", "2 b", "3 c", "4 d"], ["", "", "", ""], {1}, 50, 3)) == 3


async def test_a_run_is_taken_out(shed: Shed) -> None:
    three_runs(shed)
    async with driving(shed, size=(140, 40)) as driven:
        await in_compare(driven)
        await driven.press("right", "space")
        await driven.sees("2 runs")


async def test_without_marks_the_newest_are_compared_and_alone_nothing(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("4")
        await driven.sees("Nothing to compare yet: it takes two runs.", "marks runs")
        three_runs(shed)
        await driven.sees("none marked: the newest", "space in Runs (3) marks others")


async def test_runs_say_by_which_key_the_marked_are_compared(shed: Shed) -> None:
    three_runs(shed)
    async with driving(shed) as driven:
        await driven.press("3")
        assert "c compare" not in driven.text
        await driven.press("c")
        await driven.sees("It takes two runs or more, and none is marked")
        await driven.press("space", "space")
        await driven.sees("2 marked · c compares", "c compare ")
        await driven.press("c")
        assert isinstance(driven.app.view, Compare)
        await driven.sees("2 runs", "0.7500 ★")
        await driven.press("3", "escape", "g", "space", "4")
        await driven.sees("3 runs · run 3 and the newest", "space in Runs (3) marks others")


def test_a_learning_rate_is_read_logarithmically_and_epochs_are_not() -> None:
    assert dimension("lr", [1e-4, 0.1]).log
    assert not dimension("epochs", [10, 40, None]).log


def test_drawings_fit_their_room_and_tell_the_ends() -> None:
    one, other = dimension("lr", [0.1, 0.001, None]), dimension("auroc", [0.7, 0.8, 0.75])
    for told in (parallel([one, other], ["", "", ""], 40, 12), scatter(one, other, ["", "", ""], 40, 12)):
        assert len(told) == 12 and all(sum(len(part.text) for part in line) <= 40 for line in told)
    text = "\n".join("".join(part.text for part in line) for line in parallel([one, other], ["", "", ""], 40, 12))
    assert "0.1000" in text and "0.001" in text and "auroc" in text
