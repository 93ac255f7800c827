"""A study draws, prunes and remembers; which process asks, and how often it was started again, makes no difference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from runners.sweeps.search import Search
from runners.sweeps.study import Draw, Study
from storage.errors import RunFailed
from storage.sweep_section import Dimension

PARAMS: dict[str, Any] = {"lr": 0.01, "width": 32}
SPACE = {"lr": Dimension(low=1e-4, high=1.0, log=True), "width": Dimension(values=[16, 32, 64])}


def search(**changes: Any) -> Search:
    given: dict[str, Any] = {
        "metric": "val/score",
        "direction": "maximize",
        "value": "last",
        "sampler": "random",
        "pruner": "asha",
        "warmup": 1,
        "trials": 20,
        "parallel": 2,
        "seed": 0,
        "finish": "none",
        "space": SPACE,
    }
    return Search(**{**given, **changes})


def drawn(folder: Path, orders: Search, number: int, *, anew: bool) -> list[dict[str, Any]]:
    """The params of so many trials, each told a value; with `anew` every one by a process of its own, so to say."""
    folder.mkdir()
    study = Study(folder, orders, PARAMS)
    found = []
    for _ in range(number):
        if anew:
            study.close()
            study = Study(folder, orders, PARAMS)
        draw = study.ask()
        study.done(draw.number, -((math.log10(draw.params["lr"]) + 2) ** 2))
        found.append(draw.params)
    study.close()
    return found


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "cmaes"])
def test_it_draws_the_same_however_often_it_is_opened_again(tmp_path: Path, sampler: str) -> None:
    space = {"lr": Dimension(low=0.01, high=1.0, step=0.01), "width": Dimension(low=8, high=64, step=8)}
    orders = search(sampler=sampler, space=space)
    once = drawn(tmp_path / "once", orders, 14, anew=False)
    assert once == drawn(tmp_path / "again", orders, 14, anew=True)
    assert len({tuple(params.values()) for params in once}) > 10
    assert all(isinstance(params["width"], int) and 8 <= params["width"] <= 64 for params in once)


def test_another_seed_draws_others(tmp_path: Path) -> None:
    one, other = (drawn(tmp_path / str(seed), search(seed=seed), 3, anew=False) for seed in (1, 2))
    assert one != other


def test_tpe_comes_close_to_the_best_sooner_than_chance(tmp_path: Path) -> None:
    later = drawn(tmp_path / "tpe", search(sampler="tpe", trials=40), 40, anew=False)[20:]
    assert sum(abs(math.log10(params["lr"]) + 2) < 0.7 for params in later) > 10  # 7 of 20 by chance


def test_the_projects_own_params_are_tried_first(tmp_path: Path) -> None:
    study = Study(tmp_path, search(usual=PARAMS), PARAMS)
    assert study.ask() == Draw(0, PARAMS)
    assert study.ask().params != PARAMS


def test_a_point_of_the_grid_whose_drawing_was_cut_off_is_drawn_again(tmp_path: Path) -> None:
    space = {"lr": Dimension(values=[0.1, 0.2]), "width": Dimension(values=[16, 32])}
    orders = search(sampler="grid", space=space, trials=4)
    study = Study(tmp_path, orders, PARAMS)
    first, second = study.ask(), study.ask()
    study.close()
    journal = tmp_path / "study.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    study = Study(tmp_path, orders, PARAMS)
    assert study.unfinished() == [first, second.number]
    study.failed(second.number)
    again, third, fourth = study.ask(), study.ask(), study.ask()
    assert again.params == second.params
    assert len({tuple(draw.params.values()) for draw in (first, again, third, fourth)}) == 4


def told(study: Study, values: list[float]) -> int | None:
    """Report a trial's points; returns the one at which it was pruned, None when it came through."""
    number = study.ask().number
    for point, value in enumerate(values, start=1):
        if study.report(number, point, value):
            study.pruned(number)
            return point
    study.done(number, values[-1])
    return None


def test_asha_stops_what_is_not_among_the_best_third_at_a_rung(tmp_path: Path) -> None:
    study = Study(tmp_path, search(), PARAMS)
    assert told(study, [0.5] * 9) is None
    assert told(study, [0.4] * 9) == 1
    assert told(study, [0.6, 0.6, 0.3] + [0.7] * 6) == 3
    assert told(study, [0.7] * 9) is None


def test_nothing_is_stopped_while_it_warms_up(tmp_path: Path) -> None:
    study = Study(tmp_path, search(warmup=4), PARAMS)
    assert told(study, [0.5] * 9) is None
    assert told(study, [0.1] * 9) == 4


def test_the_median_stops_the_worse_half_once_a_few_are_done(tmp_path: Path) -> None:
    study = Study(tmp_path, search(pruner="median", trials=8), PARAMS)
    assert [told(study, [value] * 4) for value in (0.5, 0.3)] == [None, None]
    assert told(study, [0.1] * 4) == 1
    assert told(study, [0.9] * 4) is None


def test_without_a_pruner_everything_comes_through(tmp_path: Path) -> None:
    study = Study(tmp_path, search(pruner="none"), PARAMS)
    assert [told(study, [value] * 9) for value in (0.5, 0.4, 0.1)] == [None, None, None]


def test_nan_is_stopped_at_once(tmp_path: Path) -> None:
    study = Study(tmp_path, search(), PARAMS)
    assert told(study, [math.nan] * 3) == 1


def test_the_next_process_knows_what_was_told_and_what_is_under_way(tmp_path: Path) -> None:
    study = Study(tmp_path, search(), PARAMS)
    done, pruned, failed, open_ = (study.ask() for _ in range(4))
    study.report(open_.number, 1, 0.25)
    study.report(open_.number, 2, 0.75)
    study.done(done.number, 0.5)
    study.report(pruned.number, 1, 0.125)
    study.pruned(pruned.number)
    study.failed(failed.number)
    study.close()
    study = Study(tmp_path, search(), PARAMS)
    endings = [study.ending(draw.number) for draw in (done, pruned, failed, open_)]
    assert [(each.status, each.value, each.reported) for each in endings] == [
        ("done", 0.5, 0),
        ("pruned", 0.125, 1),
        ("failed", None, 0),
        ("running", None, 2),
    ]
    assert study.unfinished() == [open_]


def test_a_trial_of_which_the_journal_knows_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no trial 3"):
        Study(tmp_path, search(), PARAMS).ending(3)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    path.write_text("no json\n")
    path.chmod(0o640)
    with pytest.raises(RunFailed, match="damaged"):
        Study(tmp_path, search(), PARAMS)
