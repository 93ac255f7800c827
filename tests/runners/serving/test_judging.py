"""A canary is given up when it is surely worse, and hardly ever by chance, however often one looks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from runners.serving import samples
from runners.serving.judging import judge
from runners.serving.samples import KEPT, PRODUCTION, SECOND, Samples, Side, value_of
from storage.rollout_section import CanarySection

RULES = CanarySection(minutes=10, min_requests=200, max_slower=1.0001, max_shift=0.001)


def side(
    chance: np.random.Generator, requests: int, *, errs: float = 0.0, slower: float = 1.0, by: float = 0.0
) -> Side:
    errors = int(chance.binomial(requests, errs))
    answered = requests - errors
    return Side(requests, errors, 0, chance.lognormal(2, 0.5, answered) * slower, chance.normal(by, 1.0, answered))


def of(each: Side, requests: int, errors: int) -> Side:
    return Side(requests, errors, 0, each.ms[:requests], each.values[:requests])


def verdict(production: Side, canary: Side, elapsed_s: float = 600.0) -> str:
    return judge(CanarySection(minutes=10), production, canary, elapsed_s, 0).decision


def test_what_is_surely_worse_is_given_up_and_the_rest_promoted() -> None:
    chance = np.random.default_rng(1)
    production = side(chance, 5000, errs=0.001)
    assert verdict(production, side(chance, 600, errs=0.001)) == "promote"
    assert verdict(production, side(chance, 600, errs=0.03)) == "abort"
    assert verdict(production, side(chance, 600, slower=2.0)) == "abort"
    assert verdict(production, side(chance, 600, by=1.0)) == "abort"
    assert verdict(production, side(chance, 600, slower=1.2, by=0.1)) == "promote"


def test_what_fails_always_is_given_up_at_the_first_look() -> None:
    chance = np.random.default_rng(2)
    found = judge(RULES, side(chance, 150), side(chance, 16, errs=1.0), 1.0, 0)
    assert found.decision == "abort" and "16 of 16 requests failed" in found.reason and found.looks == 1


def test_nothing_is_promoted_before_its_time_or_with_too_few_requests() -> None:
    chance = np.random.default_rng(3)
    production = side(chance, 5000)
    assert verdict(production, side(chance, 5000), elapsed_s=599) == "going"
    found = judge(CanarySection(minutes=10), production, side(chance, 199), 900.0, 99)
    assert found.decision == "going" and "only 199 requests of 200" in found.reason


def test_who_looks_all_the_time_gives_up_hardly_any_canary_that_is_as_good() -> None:
    chance = np.random.default_rng(4)
    given_up, trials = 0, 60
    for _ in range(trials):
        looks, decision = 0, "going"
        everything = side(chance, 9000), side(chance, 1000)
        errors = [chance.random(each.requests) < 0.02 for each in everything]
        for asked in range(8, 1001, 16):
            sides = [
                of(each, asked * times, int(errors[place][: asked * times].sum()))
                for place, (each, times) in enumerate(zip(everything, (9, 1), strict=True))
            ]
            found = judge(RULES, sides[0], sides[1], asked * 0.6, looks)
            looks, decision = found.looks, found.decision
            if decision != "going":
                break
        given_up += decision == "abort"
        assert decision != "going"
    assert given_up <= 0.05 * trials


def test_samples_outlive_their_worker_and_those_of_all_workers_count_alike(tmp_path: Path) -> None:
    for worker, requests in ((0, 3 * KEPT), (1, KEPT)):
        for first in range(0, requests, KEPT):
            written = Samples(tmp_path, worker)  # as after a kill -9
            for _ in range(first, first + KEPT):
                written.answered(PRODUCTION, 1.0, float(worker))
    written.failed(SECOND)
    written.answered(SECOND, 1.0, math.nan)
    written.dropped(SECOND)
    production, second = samples.together(tmp_path)
    assert production.requests == 4 * KEPT and production.errors == 0
    assert production.values.mean() == pytest.approx(0.25, abs=0.01)
    assert (second.requests, second.errors, second.dropped) == (2, 2, 1)


def test_a_prediction_is_one_number() -> None:
    assert value_of({"probability": 0.25}) == 0.25
    assert value_of({"probabilities": {"a": 0.2, "b": 0.7, "c": 0.1}}) == 1.0
    assert math.isnan(value_of({"probabilities": {"a": math.nan, "b": 0.5}}))
    assert value_of({"boxes": [[1.5, 2.0]]}) == 1.5
