"""The writer of metric series: nothing lost, nothing doubled, and training never harmed by it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runners.userside import names, series
from runners.userside.series import MOST_GROUPS, Writer
from storage import metrics
from storage import names as storage_names
from storage.errors import UsageError
from tests.waiting import until


class Told:
    """What a writer told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        self.events.append((event, fields))


def steps(directory: Path, name: str = "loss") -> list[int]:
    return metrics.read(directory, name).step.tolist()


def python(source: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@given(st.text())
@example("a//b")
@example("../x")
@example("a/./b")
@example("a\x1b[1m")
@example("")
@example("x" * 251)
def test_the_rule_for_metric_names_is_that_of_the_store(name: str) -> None:
    def refusal(check: Any, error: type[Exception]) -> str | None:
        try:
            assert check(name) == name
        except error:
            return "refused"
        return None

    assert refusal(names.checked_metric_name, ValueError) == refusal(storage_names.checked_metric_name, UsageError)
    assert names.METRIC_RULE == storage_names.METRIC_RULE


def test_numbers_of_any_kind_are_kept(tmp_path: Path) -> None:
    import torch

    writer = Writer(str(tmp_path))
    for value in (1, True, 1.0, np.float32(1), np.int64(1), np.array(1.0), torch.tensor(1.0), torch.tensor(1)):
        writer.log({"x": value}, np.int64(3))  # type: ignore[arg-type]
    writer.close()
    assert metrics.read(tmp_path, "x").value.tolist() == [1.0] * 8
    assert steps(tmp_path, "x") == [3] * 8


@pytest.mark.parametrize(
    ("logged", "step", "says"),
    [
        ({"loss": "0.3"}, 0, "'loss' is one number, not '0.3'"),
        ({"a": 1.0, "loss": None}, 0, "'loss' is one number, not None"),
        ({"loss": np.zeros(3)}, 0, "'loss' is one number"),
        ({"loss": 1.0}, 1.5, "a step is a whole number, not 1.5"),
        ({"loss": 1.0}, "3", "a step is a whole number"),
        ({"loss": 1.0}, 2**70, "a step fits in 64 bits"),
        ([("loss", 1.0)], 0, "metrics are a dict"),
        ({1: 1.0}, 0, "a metric's name is text, not 1"),
        ({"../loss": 1.0}, 0, "cannot name a metric; expected: 1 to 250"),
    ],
)
def test_what_is_no_metric_is_named_and_nothing_is_kept(tmp_path: Path, logged: Any, step: Any, says: str) -> None:
    writer = Writer(str(tmp_path))
    with pytest.raises((TypeError, ValueError), match=says):
        writer.log(logged, step)
    writer.close()
    assert metrics.names(tmp_path) == []


def test_a_wrong_value_is_named_also_after_right_ones(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path))
    writer.log({"loss": 1.0}, 0)
    with pytest.raises(TypeError, match="'loss' is one number"):
        writer.log({"loss": "high"}, 1)
    writer.close()
    assert steps(tmp_path) == [0]


def test_nan_and_infinity_are_kept_and_told_once_each_at_their_step(tmp_path: Path) -> None:
    told = Told()
    writer = Writer(str(tmp_path), tell=told)
    huge = 1.7e308  # two of them make an infinite sum, and are no fault
    for step in range(10):
        writer.log(
            {"a": math.nan if step >= 4 else 1.0, "b": -math.inf if step == 6 else huge, "c": huge, "d": 0.0}, step
        )
    assert told.events == [
        ("nonfinite", {"metric": "a", "step": 4, "value": "nan"}),
        ("nonfinite", {"metric": "b", "step": 6, "value": "-inf"}),
    ]
    writer.close()
    assert math.isnan(metrics.read(tmp_path, "a").value[5])


def test_a_first_record_that_is_not_finite_is_told_too(tmp_path: Path) -> None:
    told = Told()
    Writer(str(tmp_path), tell=told).log({"a": math.inf}, 0)
    assert told.events == [("nonfinite", {"metric": "a", "step": 0, "value": "inf"})]


def test_threads_that_log_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path))
    each = 20_000

    def log(thread: int) -> None:
        for step in range(each):
            writer.log({"loss": 0.5, f"only/{thread % 2}": 1.0}, thread * each + step)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        writer.flush()
    for thread in threads:
        thread.join()
    writer.close()
    assert sorted(steps(tmp_path)) == list(range(4 * each))


def test_many_different_sets_become_one_group_a_metric(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path))
    for number in range(MOST_GROUPS + 40):
        writer.log({"loss": number, f"m{number}": 1.0}, number)
        writer.log({"loss": number, f"m{number}": 2.0}, number)
    writer.close()
    assert len(steps(tmp_path)) == 2 * (MOST_GROUPS + 40)
    assert metrics.read(tmp_path, f"m{MOST_GROUPS + 39}").value.tolist() == [1.0, 2.0]
    assert (tmp_path / "groups.jsonl").read_text().count("\n") == MOST_GROUPS + 41


def test_kill_9_leaves_a_series_without_gap_or_tear(tmp_path: Path) -> None:
    source = """
import itertools, sys, time
from runners.userside.series import Writer
writer = Writer(sys.argv[1])
for step in itertools.count():
    writer.log({"loss": step * 0.5, "lr": 0.1}, step)
    time.sleep(0.0005)
"""
    process = python(source, str(tmp_path))
    until(lambda: len(metrics.read(tmp_path, "loss")) > 500)
    process.kill()
    process.communicate()
    found = metrics.read(tmp_path, "loss")
    assert found.step.tolist() == list(range(len(found)))
    assert (found.value == found.step * 0.5).all()
    assert (tmp_path / "g0.bin").stat().st_size == 32 * len(found)


def test_a_forked_copy_of_the_process_writes_nothing(tmp_path: Path) -> None:
    source = """
import os, sys
from runners.userside.series import Writer
writer = Writer(sys.argv[1])
for step in range(100):
    writer.log({"loss": 1.0}, step)
if os.fork() == 0:
    for step in range(100, 200):
        writer.log({"loss": 1.0}, step)
    writer.flush()
    writer.close()
    sys.exit(0)
os.wait()
writer.log({"loss": 1.0}, 100)
writer.close()
"""
    process = python(source, str(tmp_path))
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert steps(tmp_path) == list(range(101))
    assert err.count("forked copy of the process are not kept") == 1


def test_a_full_disk_costs_no_row_when_it_takes_more_again(tmp_path: Path) -> None:
    source = """
import resource, sys, threading
from runners.userside.series import Writer
events, refused, again = [], threading.Event(), threading.Event()
def tell(event, fields):
    events.append(fields["text"])
    (again if "again" in fields["text"] else refused).set()
writer = Writer(sys.argv[1], tell=tell)
writer.log({"loss": 1.0}, 0)
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (24 * 50 + 7, resource.RLIM_INFINITY))
for step in range(1, 1000):
    writer.log({"loss": 1.0}, step)
assert refused.wait(10)
writer.log({"loss": 1.0}, 1000)
writer.log({"new": 1.0}, 1000)
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert again.wait(10)
writer.close()
print("|".join(events))
"""
    process = python(source, str(tmp_path))
    out, err = process.communicate()
    assert process.returncode == 0, err
    first, second = out.strip().split("|")
    assert "metrics cannot be written (File too large)" in first and "the run goes on" in first
    assert second == "metrics are written again; 0 rows were lost meanwhile"
    assert steps(tmp_path) == list(range(1001))
    assert steps(tmp_path, "new") == [1000]


def test_rows_beyond_what_memory_may_keep_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MOST_WAITING", 24 * 10)
    told = Told()
    writer = Writer(str(tmp_path), tell=told)
    monkeypatch.setattr(series, "INTERVAL", 3600)
    (tmp_path / "groups.jsonl").symlink_to("/dev/full")
    for step in range(30):
        writer.log({"loss": 1.0}, step)
        writer.flush()
    writer.close()
    assert not (tmp_path / "g0.bin").exists()
    assert told.events[0][1]["text"].startswith("metrics cannot be written (No space left on device)")
    assert told.events[-1][1]["text"] == "30 rows of metrics were lost: the disk took no more"


def test_logging_again_without_restoring_starts_the_series_over(tmp_path: Path) -> None:
    first = Writer(str(tmp_path))
    first.log({"loss": 1.0}, 0)
    first.log({"only/before": 1.0}, 0)
    first.close()
    second = Writer(str(tmp_path))
    assert steps(tmp_path) == [0], "what was there stays until there is something new"
    second.log({"loss": 1.0}, 7)
    second.close()
    assert steps(tmp_path) == [7]
    assert metrics.names(tmp_path) == ["loss"]


def test_a_writer_that_keeps_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    for step in range(3):
        writer = Writer(str(tmp_path), keep=True)
        writer.log({"cpu/percent": 1.0}, step)
        writer.close()
    assert steps(tmp_path, "cpu/percent") == [0, 1, 2]


def test_a_series_is_cut_at_a_step(tmp_path: Path) -> None:
    first = Writer(str(tmp_path))
    for step in range(10):
        first.log({"loss": 1.0}, step)
        if step % 4 == 0:
            first.log({"eval": 1.0}, step)
    first.close()
    second = Writer(str(tmp_path))
    second.truncate_from_step(6)
    for step in range(6, 8):
        second.log({"loss": 2.0}, step)
    second.close()
    assert steps(tmp_path) == list(range(8))
    assert steps(tmp_path, "eval") == [0, 4]


def test_a_record_that_was_never_restored_leaves_no_bytes_to_a_new_group(tmp_path: Path) -> None:
    first = Writer(str(tmp_path))
    first.log({"loss": 1.0}, 0)
    first.log({"lr": 1.0}, 0)
    first.close()
    listing = tmp_path / "groups.jsonl"
    listing.write_bytes(listing.read_bytes()[:-5])  # the second line was not safe yet when the power went
    second = Writer(str(tmp_path))
    second.truncate({"0": 1})
    second.log({"three": 1.0, "more": 2.0}, 1)
    second.close()
    assert steps(tmp_path) == [0]
    assert steps(tmp_path, "more") == [1]


def test_nothing_can_be_logged_after_the_end(tmp_path: Path) -> None:
    writer = Writer(str(tmp_path))
    writer.log({"loss": 1.0}, 0)
    writer.close()
    with pytest.raises(RuntimeError, match="the run has ended"):
        writer.log({"loss": 1.0}, 1)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    writer = Writer(str(tmp_path))
    for number in range(50):
        writer.log({f"m{number}": 1.0}, 0)
    writer.flush()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    writer.close()


def test_a_signal_in_the_middle_of_logging_loses_nothing(tmp_path: Path) -> None:
    source = """
import itertools, signal, sys
from runners.userside.series import Writer
class End(BaseException): pass
def end(number, frame): raise End
signal.signal(signal.SIGTERM, end)
writer = Writer(sys.argv[1])
try:
    for step in itertools.count():
        writer.log({"loss": 1.0}, step)
        if step == 1000: print("ready", flush=True)
except End:
    writer.close()
    print(step)
"""
    process = python(source, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 0, err
    found = steps(tmp_path)
    assert found == list(range(len(found)))
    assert len(found) - int(out) in (0, 1)
