"""A space becomes what optuna draws from, or a grid; a draw becomes params of the types that the project has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.sweeps import space
from storage.errors import UsageError
from storage.sweep_section import Dimension

PARAMS: dict[str, Any] = {"lr": 1e-3, "width": 32, "sizes": [64, 32], "bf16": True, "dropout": 0.25}
SPACE = {
    "lr": Dimension(low=1e-4, high=1e-2, log=True),
    "width": Dimension(low=8, high=64, step=8),
    "sizes": Dimension(values=[[64], [64, 32]]),
    "bf16": Dimension(values=[True, False]),
    "dropout": Dimension(low=0.0, high=0.5, step=0.25),
}


def test_integers_are_drawn_for_an_integer_param() -> None:
    found = space.distributions(SPACE, PARAMS)
    assert {name: type(each).__name__ for name, each in found.items()} == {
        "lr": "FloatDistribution",
        "width": "IntDistribution",
        "sizes": "CategoricalDistribution",
        "bf16": "CategoricalDistribution",
        "dropout": "FloatDistribution",
    }


def test_lists_as_values_survive_the_journal_as_text() -> None:
    point = {"lr": 0.002, "width": 16, "sizes": [64], "bf16": False, "dropout": 0.5}
    drawn = space.drawn(SPACE, point)
    assert drawn["sizes"] == "[64]"
    assert space.chosen(SPACE, drawn) == point


def test_the_projects_own_params_are_a_point_of_the_space_that_holds_them() -> None:
    assert space.usual_point(SPACE, PARAMS) == PARAMS


@pytest.mark.parametrize(("name", "value"), [("lr", 0.1), ("width", 30), ("sizes", [1]), ("dropout", 0.3)])
def test_one_param_outside_makes_them_no_point_of_it(name: str, value: Any) -> None:
    assert space.usual_point(SPACE, {**PARAMS, name: value}) is None


def test_a_grid_is_every_point_once_in_an_order_that_the_seed_decides() -> None:
    steps = {"width": Dimension(low=1, high=3), "dropout": SPACE["dropout"], "bf16": SPACE["bf16"]}
    points = space.grid(steps, PARAMS, seed=1)
    assert len(points) == space.size(steps, PARAMS) == 3 * 3 * 2
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    assert {point["width"] for point in points} == {1, 2, 3}
    assert {point["dropout"] for point in points} == {0.0, 0.25, 0.5}
    assert points == space.grid(steps, PARAMS, seed=1) != space.grid(steps, PARAMS, seed=2)


def test_a_range_without_steps_has_no_grid() -> None:
    with pytest.raises(UsageError, match="lr has no steps"):
        space.grid({"lr": SPACE["lr"]}, PARAMS, seed=0)


def test_a_grid_beyond_all_bounds_is_refused() -> None:
    wide = {name: Dimension(low=0, high=999) for name in ("width", "other")}
    with pytest.raises(UsageError, match="1,000,000 points"):
        space.size(wide, {"width": 1, "other": 1})


@given(low=st.integers(0, 50), steps=st.integers(1, 20), step=st.integers(1, 7), beyond=st.integers(0, 6))
def test_a_grid_never_leaves_its_range(low: int, steps: int, step: int, beyond: int) -> None:
    high = low + steps * step + beyond % step
    dimension = Dimension(low=low, high=high, step=step)
    values = sorted(point["width"] for point in space.grid({"width": dimension}, PARAMS, seed=0))
    assert values == list(range(low, high + 1, step))
    assert all(space.usual_point({"width": dimension}, {"width": value}) for value in values)
