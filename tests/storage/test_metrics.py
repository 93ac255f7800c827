"""Metric series: what the writer of a run leaves, read back."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.userside.series import Writer
from storage import metrics
from storage.metrics import Series

NAMES = st.sampled_from(["train/loss", "val/auroc", "lr", "val/slices/carrier/UA/auroc", "é"])
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.dictionaries(NAMES, st.floats() | st.integers(-10, 10) | st.booleans(), min_size=1),
    ),
    max_size=30,
)


def written(directory: Path, *rows: tuple[int, dict[str, float]]) -> Path:
    writer = Writer(str(directory))
    for step, values in rows:
        writer.log(values, step)
    writer.close()
    return directory


def values(directory: Path, name: str) -> list[float]:
    return metrics.read(directory, name).value.tolist()


@given(rows=ROWS)
@settings(deadline=None, max_examples=60)
def test_what_was_logged_is_read_back_bit_for_bit(rows: list[tuple[int, dict[str, float]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = written(Path(folder), *rows)
        expected: dict[str, list[tuple[int, float]]] = {}
        for step, logged in rows:
            for name, value in logged.items():
                expected.setdefault(name, []).append((step, float(value)))
        assert set(metrics.names(directory)) == set(expected)
        for name, points in expected.items():
            series = metrics.read(directory, name)
            # records of the same instant in different groups may change places
            assert sorted(map(repr, zip(series.step.tolist(), series.value.tolist(), strict=True))) == sorted(
                map(repr, points)
            )
            assert np.all(np.diff(series.time) >= 0)


@given(rows=ROWS, torn=st.integers(0, 200))
@settings(deadline=None, max_examples=40)
def test_a_torn_tail_costs_one_record_and_the_next_writer_goes_on_behind_whole_ones(
    rows: list[tuple[int, dict[str, float]]], torn: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = written(Path(folder), *[(step, {"a": 1.0, "b": float(step % 7)}) for step, _ in rows])
        file = directory / "g0.bin"
        if file.exists():
            content = file.read_bytes()
            file.write_bytes(content[: max(0, len(content) - torn)])
            whole = file.stat().st_size // 32
            assert len(metrics.read(directory, "a")) == whole
            writer = Writer(folder, keep=True)
            writer.log({"a": 5.0, "b": 6.0}, 99)
            writer.close()
            assert len(metrics.read(directory, "b")) == whole + 1
            assert values(directory, "b")[-1] == 6.0


@given(kept=st.integers(0, 12), before=st.integers(0, 12), after=st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_a_resumed_series_has_no_gap_and_no_double(kept: int, before: int, after: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(folder)
        rows = {}
        for step in range(before):
            if step == kept:
                rows = writer.rows()
            writer.log({"loss": step * 0.5}, step)
            if step % 3 == 0:
                writer.log({"eval": step}, step)
        kept = min(kept, before)
        rows = rows if kept < before else writer.rows()
        writer.close()
        resumed = Writer(folder)
        resumed.truncate(rows)
        for step in range(kept, kept + after):
            resumed.log({"loss": step * 0.5}, step)
        resumed.close()
        assert metrics.read(folder, "loss").step.tolist() == list(range(kept + after))
        assert metrics.read(folder, "eval").step.tolist() == [step for step in range(kept) if step % 3 == 0]


def test_a_directory_that_is_not_there_has_no_metrics(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert metrics.names(nowhere) == []
    assert metrics.last_values(nowhere) == {}
    assert metrics.size(nowhere) == 0
    assert len(metrics.read(nowhere, "loss")) == 0


def test_a_metric_logged_in_two_sets_is_one_series_in_the_order_of_time(tmp_path: Path) -> None:
    rows = [(step, {"loss": float(step)} if step % 2 else {"loss": float(step), "lr": 0.1}) for step in range(20)]
    written(tmp_path, *rows)
    series = metrics.read(tmp_path, "loss")
    assert sorted(series.step.tolist()) == list(range(20))
    assert np.all(np.diff(series.time) >= 0)
    assert metrics.names(tmp_path) == ["loss", "lr"]


def test_since_gives_only_what_came_after(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path))
    for step in range(1000):
        writer.log({"loss": step}, step)
    writer.flush()
    seen = metrics.read(tmp_path, "loss")
    assert len(metrics.read(tmp_path, "loss", since=float(seen.time[-1]))) == 0
    writer.log({"loss": 5}, 1000)
    writer.close()
    new = metrics.read(tmp_path, "loss", since=float(seen.time[-1]))
    assert new.step.tolist() == [1000]
    middle = float(seen.time[500])
    assert len(metrics.read(tmp_path, "loss", since=middle)) == int((seen.time > middle).sum()) + 1


def test_a_summary_tells_last_extremes_and_the_first_step_that_is_not_finite(tmp_path: Path) -> None:
    written(tmp_path, (0, {"loss": 2.0}), (1, {"loss": math.nan}), (2, {"loss": math.inf}), (3, {"loss": 1.0}))
    summary = metrics.last_values(tmp_path)["loss"]
    assert (summary.last, summary.last_step, summary.min, summary.max, summary.count) == (1.0, 3, 1.0, 2.0, 4)
    assert summary.first_nonfinite_step == 1


def test_a_metric_that_was_never_finite_has_no_extremes(tmp_path: Path) -> None:
    written(tmp_path, (7, {"loss": math.nan}))
    summary = metrics.last_values(tmp_path)["loss"]
    assert math.isnan(summary.min) and math.isnan(summary.max) and summary.first_nonfinite_step == 7


def test_a_damaged_list_of_groups_is_read_up_to_the_damage(tmp_path: Path) -> None:
    written(tmp_path, (0, {"loss": 2.0}), (0, {"lr": 2.0}))
    listing = tmp_path / "groups.jsonl"
    first = listing.read_bytes().split(b"\n")[0]
    listing.write_bytes(first + b"\n" + b"\x00" * 20 + b"\n")
    assert metrics.names(tmp_path) == ["loss"]


@given(
    points=st.lists(st.tuples(st.integers(-100, 100), st.floats(-1e6, 1e6) | st.just(math.nan)), max_size=60),
    buckets=st.integers(1, 20),
)
def test_no_spike_and_no_point_is_lost_in_buckets(points: list[tuple[int, float]], buckets: int) -> None:
    steps = np.array([step for step, _ in points], dtype=np.int64)
    series = Series(steps, steps.astype(float), np.array([value for _, value in points], dtype=float))
    found = metrics.bucket(series, buckets)
    assert len(found.x) <= buckets
    assert found.count.sum() == len(points)
    assert found.nonfinite.sum() == sum(math.isnan(value) for _, value in points)
    finite = [value for _, value in points if not math.isnan(value)]
    if finite:
        assert np.nanmin(found.low) == min(finite)
        assert np.nanmax(found.high) == max(finite)
        assert np.all(found.low[~np.isnan(found.low)] <= found.high[~np.isnan(found.high)])
    empty = found.count == found.nonfinite
    assert np.all(np.isnan(found.low[empty]))


def test_buckets_lie_evenly_along_steps_or_time() -> None:
    series = Series(np.arange(10), np.array([0.0, *range(91, 100)]), np.arange(10.0))
    assert metrics.bucket(series, 3).count.tolist() == [3, 3, 4]
    assert metrics.bucket(series, 3, x="time").count.tolist() == [1, 0, 9]
    assert metrics.bucket(series, 3).x.tolist() == [1.5, 4.5, 7.5]


def test_points_of_one_step_are_one_bucket() -> None:
    series = Series(np.array([5, 5]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    found = metrics.bucket(series, 10)
    assert (found.x.tolist(), found.low.tolist(), found.high.tolist()) == ([5.0], [3.0], [4.0])


def test_size_changes_when_something_is_logged(tmp_path: Path) -> None:
    written(tmp_path, (0, {"loss": 2.0}))
    before = metrics.size(tmp_path)
    writer = Writer(str(tmp_path), keep=True)
    writer.log({"loss": 1.0}, 1)
    writer.close()
    assert metrics.size(tmp_path) == before + 24


def test_series_written_whole_are_read_as_they_were(tmp_path: Path) -> None:
    steps, times = np.array([0, 1, 2]), np.array([10.0, 11.0, 12.0])
    series = {
        "loss": Series(steps, times, np.array([2.0, math.nan, -math.inf])),
        "lr": Series(steps, times, np.array([1.0, 2.0, 3.0])),
        "late": Series(np.array([7, 3]), np.array([12.0, 11.0]), np.array([0.5, 0.25])),
        "never": Series(np.empty(0, np.int64), np.empty(0), np.empty(0)),
    }
    metrics.write(tmp_path / "m", series)
    found = metrics.read_all(tmp_path / "m")
    assert list(found) == ["loss", "lr", "late"]
    for name in ("loss", "lr"):
        np.testing.assert_array_equal(found[name].value, series[name].value)
        assert (found[name].step.tolist(), found[name].time.tolist()) == ([0, 1, 2], [10.0, 11.0, 12.0])
    assert (found["late"].step.tolist(), found["late"].value.tolist()) == ([3, 7], [0.25, 0.5])  # by time
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["g0.bin", "g1.bin", "groups.jsonl"]


def test_a_writer_goes_on_after_series_written_whole(tmp_path: Path) -> None:
    metrics.write(tmp_path / "m", {"loss": Series(np.array([0]), np.array([10.0]), np.array([2.0]))})
    writer = Writer(str(tmp_path / "m"), keep=True)
    writer.log({"loss": 1.0}, 1)
    writer.close()
    assert metrics.read(tmp_path / "m", "loss").value.tolist() == [2.0, 1.0]
