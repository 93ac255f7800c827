"""A trial's points and its value, read from the series of its run."""

from __future__ import annotations

import json
import math

import numpy as np

from runners.sweeps import results
from runners.sweeps.results import Point
from runners.userside.series import Writer
from storage.metrics import Series
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.runners.sweeps.test_study import search


def series(*values: float) -> Series:
    steps = np.arange(10, 10 * len(values) + 10, 10, dtype=np.int64)
    return Series(steps, steps.astype(float), np.array(values))


def run(shed: Shed, values: dict[str, list[float]]) -> int:
    new = write_runs.NewRun("r", "p", "/p", "i", "c", {}, {}, {})
    run_id = write_runs.create(shed, new).id or 0
    writer = Writer(str(shed.run_dir(run_id) / "metrics"))
    for name, series in values.items():
        for step, value in enumerate(series):
            writer.log({name: value}, step)
    writer.close()
    return run_id


def test_points_are_counted_and_keep_the_runs_own_step() -> None:
    assert results.points(series(0.5, 0.25), search(), 0) == [Point(1, 10, 0.5), Point(2, 20, 0.25)]
    assert results.points(series(0.5, 0.25), search(), 1) == [Point(2, 20, 0.25)]
    assert results.points(series(0.5, 0.25), search(), 2) == []


def test_where_the_best_counts_points_are_the_best_so_far() -> None:
    found = series(math.nan, 0.5, 0.25, 0.75)
    high = [point.value for point in results.points(found, search(value="best"), 1)]
    low = [point.value for point in results.points(found, search(value="best", direction="minimize"), 1)]
    assert (high, low) == ([0.5, 0.5, 0.75], [0.5, 0.25, 0.25])


def test_of_a_long_series_every_trial_is_looked_at_at_the_same_few_points() -> None:
    long = series(*range(10_000))
    numbers = [point.number for point in results.points(long, search(), 0)]
    assert numbers[:64] == list(range(1, 65))
    assert len(numbers) < 250
    assert [point.number for point in results.points(long, search(), 5000)] == [n for n in numbers if n > 5000]


def test_the_value_is_the_last_or_the_best(shed: Shed) -> None:
    run_id = run(shed, {"val/score": [0.5, 0.75, 0.25]})
    assert results.result(shed, run_id, search()) == results.Result(0.25, 2)
    assert results.result(shed, run_id, search(value="best")) == results.Result(0.75, 2)
    assert results.result(shed, run_id, search(value="best", direction="minimize")) == results.Result(0.25, 2)


def test_a_metric_that_was_never_logged_says_what_was(shed: Shed) -> None:
    assert results.result(shed, run(shed, {"loss": [1.0]}), search()).why == "it logged no val/score, but loss"
    assert results.result(shed, run(shed, {}), search()).why == "it logged no val/score, but nothing"


def test_nan_is_no_value(shed: Shed) -> None:
    run_id = run(shed, {"val/score": [0.5, math.nan]})
    assert results.result(shed, run_id, search()).why == "val/score ended as nan"
    assert results.result(shed, run_id, search(value="best")).value == 0.5
    assert results.result(shed, run(shed, {"val/score": [math.inf]}), search(value="best")).value is None


def test_a_run_whose_training_was_done_before_has_the_series_of_that_one(shed: Shed) -> None:
    first = run(shed, {"val/score": [0.5]})
    second = run(shed, {})
    write_runs.set_stage(shed, second, "train", status="cached", cached_from=first)
    assert results.result(shed, second, search()).value == 0.5


def test_progress_is_the_most_that_this_attempt_said_lately(shed: Shed) -> None:
    run_id = run(shed, {})
    assert results.progress(shed, run_id) == 0.0
    told = [
        {"event": "progress", "share": 0.9},
        {"event": "run", "attempt": 2},
        {"event": "progress", "share": 0.75},
        {"event": "progress", "share": 0.25, "text": "exporting"},
        {"event": "progress", "share": None},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in told)
    (shed.run_dir(run_id) / "pipeline.jsonl").write_text(lines + '{"event": "prog')
    assert results.progress(shed, run_id) == 0.75


def test_a_figure_of_the_test_rows_is_what_evaluate_found(shed: Shed) -> None:
    run_id = run(shed, {})
    facts = {"metrics": {"auroc": 0.75}, "own_metrics": {"money": 3}}
    write_runs.set_stage(shed, run_id, "evaluate", status="done", facts=facts)
    assert results.result(shed, run_id, search(metric="test/auroc")).value == 0.75
    assert results.result(shed, run_id, search(metric="test/money")).value == 3.0
    missing = results.result(shed, run_id, search(metric="test/f1"))
    assert missing.why == "test/f1 was not measured, but test/auroc, test/money"
