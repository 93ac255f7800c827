"""What a sweep does is decided when it starts: what is left out is found, what contradicts itself is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runners.queue import Slot
from runners.sweeps.search import Asked, Search, decided, direction_of, room
from storage.errors import UsageError
from storage.project import ProjectSpec, check_project, with_params

CPUS = [Slot("cpu0", None, None), Slot("cpu1", None, None)]
GPUS = [Slot(f"gpu{index}", 80_000, 80_000) for index in range(4)]


def project(sweep: dict[str, Any] | None, **sections: Any) -> ProjectSpec:
    raw: dict[str, Any] = {
        "project": {"name": "p"},
        "dataset": {"name": "d", "files": "data/*.csv"},
        "features": {"task": "binary", "target": "y", "numeric": ["x"]},
        "train": {"entry": "pipeline:train", "params": {"lr": 0.001, "width": 32}},
        "gate": {"metric": "auroc"},
        **sections,
    }
    return check_project(raw if sweep is None else {**raw, "sweep": sweep})


def search(sweep: dict[str, Any], *, changes: dict[str, Any] | None = None, **sections: Any) -> Search:
    space = {"space": {"lr": {"low": 1e-4, "high": 1e-2}, "width": [16, 32]}}
    return decided(project({**space, **sweep}, **sections), Asked(changes=changes or {}), {}, CPUS, 1000.0)


def test_what_is_left_out_is_found() -> None:
    found = search({})
    assert (found.metric, found.direction, found.until) == ("val/auroc", "maximize", "train")
    assert (found.sampler, found.pruner, found.trials, found.parallel) == ("tpe", "asha", 20, 2)
    assert found.usual == {"lr": 0.001, "width": 32}
    assert found.ends_at is None


def test_the_command_line_goes_before_the_file() -> None:
    found = search({"trials": 5, "sampler": "tpe"}, changes={"trials": 3, "sampler": "random", "parallel": 9})
    assert (found.trials, found.sampler, found.parallel) == (3, "random", 3)


def test_what_the_command_line_asks_for_is_checked_like_the_file() -> None:
    with pytest.raises(UsageError, match="at least two ranges"):
        search({}, changes={"sampler": "cmaes"})


def test_it_reads_back_from_json_as_it_was() -> None:
    found = search({"timeout_minutes": 2})
    assert found.ends_at == 1120.0
    assert Search.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_grid_tries_all_of_its_points_and_no_more() -> None:
    grid = {"sampler": "grid", "space": {"lr": [0.1, 0.2], "width": {"low": 1, "high": 3}}}
    assert search(grid).trials == 6
    assert search({**grid, "trials": 100}).trials == 6
    assert search({**grid, "trials": 4}).trials == 4


def test_a_fixed_param_is_not_searched() -> None:
    spec = with_params(project({"space": {"lr": [0.1, 0.2], "width": [16, 32]}}), {"lr": 0.5})
    assert list(decided(spec, Asked(), {"lr": 0.5}, CPUS, 0).space) == ["width"]
    with pytest.raises(UsageError, match="fixes every param"):
        decided(spec, Asked(), {"lr": 0.5, "width": 16}, CPUS, 0)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("val/auroc", "maximize"), ("val/logloss", "minimize"), ("test/rmse", "minimize"), ("val/loss", "minimize")],
)
def test_the_direction_of_a_known_metric_is_known(metric: str, direction: str) -> None:
    assert direction_of(metric) == direction


def test_the_direction_of_a_stranger_must_be_given() -> None:
    with pytest.raises(UsageError, match="which way val/reward is better"):
        search({"metric": "val/reward"})
    assert search({"metric": "val/reward", "direction": "maximize"}).direction == "maximize"


def test_a_figure_of_the_test_rows_is_known_after_evaluate_and_prunes_nothing() -> None:
    found = search({"metric": "test/auroc"})
    assert (found.until, found.pruner) == ("evaluate", "none")
    with pytest.raises(UsageError, match="nothing can be pruned"):
        search({"metric": "test/auroc", "pruner": "median"})
    with pytest.raises(UsageError, match=r"needs \[features\]"):
        search({"metric": "test/auroc"}, features=None)


def test_without_a_metric_somebody_must_say_one() -> None:
    with pytest.raises(UsageError, match="which metric"):
        search({}, gate={})


def test_without_a_sweep_section_there_is_no_sweep() -> None:
    with pytest.raises(UsageError, match=r"no \[sweep\]"):
        decided(project(None), Asked(), {}, CPUS, 0)


def test_as_many_trials_go_at_once_as_the_machine_has_room_for() -> None:
    assert room(1, None, CPUS) == 2
    assert room(8, None, CPUS) == 1
    assert room(1, None, [*GPUS, *CPUS]) == 4
    assert room(2, None, [*GPUS, *CPUS]) == 2
    assert room(8, None, [*GPUS, *CPUS]) == 1
    assert room(0, None, [*GPUS, *CPUS]) == 2
    assert room(1, 30_000, [*GPUS, *CPUS]) == 8
