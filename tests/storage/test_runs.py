"""Lists of runs filter and sort by columns, params, metrics and tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import UsageError
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from storage.tables import RunMetric
from storage.write import runs as write_runs


@pytest.fixture
def shed(tmp_path: Path) -> Shed:
    shed = open_shed(tmp_path)
    for number, (name, lr, auroc, status) in enumerate(
        [("baseline", 1e-3, 0.60, "done"), ("sweep-1", 1e-4, 0.70, "done"), ("sweep-2", 1e-5, None, "failed")]
    ):
        run = write_runs.create(
            shed,
            write_runs.NewRun(
                name=name,
                project="p",
                project_dir="/p",
                identity=name,
                code="c",
                spec={},
                snapshot={},
                params={"lr": lr, "optimizer": "adamw" if number else "sgd"},
                tags=("keep",) if number else (),
            ),
        )
        if auroc:
            metric = RunMetric(run_id=run.id or 0, name="val/auroc", last=auroc, count=1)
            write_runs.progress(shed, run.id or 0, {"val/auroc": metric})
        write_runs.finish(shed, run.id or 0, status, 0 if status == "done" else 1)
    return shed


@pytest.mark.parametrize(
    ("filter_text", "names"),
    [
        ("", ["sweep-2", "sweep-1", "baseline"]),
        ("status=done", ["sweep-1", "baseline"]),
        ("status!=done", ["sweep-2"]),
        ("lr>=1e-4 status=done", ["sweep-1", "baseline"]),
        ("lr<1e-3", ["sweep-2", "sweep-1"]),
        ("val/auroc>0.65", ["sweep-1"]),
        ("optimizer=adamw", ["sweep-2", "sweep-1"]),
        ("name~SWEEP", ["sweep-2", "sweep-1"]),
        ("sweep", ["sweep-2", "sweep-1"]),
        ("tag=keep", ["sweep-2", "sweep-1"]),
        ("tag!=keep", ["baseline"]),
        ("id=1", ["baseline"]),
        ("nothing=here", []),
    ],
)
def test_filters(shed: Shed, filter_text: str, names: list[str]) -> None:
    assert [row.run.name for row in read_runs.page(shed, filter_text)] == names
    assert read_runs.count(shed, filter_text) == len(names)


def test_sorting_by_a_metric_puts_runs_without_it_last(shed: Shed) -> None:
    assert [row.run.name for row in read_runs.page(shed, sort="-val/auroc")] == ["sweep-1", "baseline", "sweep-2"]
    assert [row.run.name for row in read_runs.page(shed, sort="val/auroc")] == ["baseline", "sweep-1", "sweep-2"]
    assert [row.run.name for row in read_runs.page(shed, sort="lr")] == ["sweep-2", "sweep-1", "baseline"]
    for sort in ("val/auroc", "-val/auroc", "lr", "-lr", "nowhere"):
        whole = [row.run.id for row in read_runs.page(shed, sort=sort)]
        for size in (1, 2):
            pages = [read_runs.page(shed, sort=sort, limit=size, offset=offset) for offset in range(0, 4, size)]
            assert [row.run.id for page in pages for row in page] == whole


def test_pages_do_not_overlap(shed: Shed) -> None:
    first = read_runs.page(shed, limit=2)
    second = read_runs.page(shed, limit=2, offset=2)
    assert [row.run.id for row in first + second] == [3, 2, 1]


@pytest.mark.parametrize("bad", ["lr>high", "=", "'; drop table run"])
def test_a_filter_that_cannot_be_read_says_which_part(shed: Shed, bad: str) -> None:
    with pytest.raises(UsageError):
        read_runs.page(shed, bad)


def test_values_in_a_filter_are_never_sql(shed: Shed) -> None:
    assert read_runs.page(shed, 'name="x\' or 1=1 --"') == []


def test_a_run_that_made_a_model_or_still_runs_is_not_removed(shed: Shed) -> None:
    write_runs.take_up(shed, 1, {})
    with pytest.raises(UsageError, match="run 1 is running"):
        write_runs.remove(shed, 1)
    write_runs.remove(shed, 3)
    with pytest.raises(UsageError, match="no run 3"):
        read_runs.run(shed, 3)
    again = write_runs.create(
        shed,
        write_runs.NewRun(
            name="n", project="p", project_dir="/p", identity="i", code="c", spec={}, snapshot={}, params={}
        ),
    )
    assert again.id == 4  # a removed id never comes back
