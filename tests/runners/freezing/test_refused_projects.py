"""What can be known to go wrong is told with file and line before anything is kept or queued."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners import launching
from storage.errors import UsageError
from storage.read import datasets as read_datasets
from storage.shed import open_shed

TOML = """\
[project]
name = "trips"
[dataset]
name = "trips"
files = "*.csv"
query = "select * from data"
[features]
target = "minutes"
task = "regression"
numeric = ["km"]
[train]
entry = "pipeline:train"
[gate]
metric = "rmse"
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"rmse"',
            '"auroc"',
            r'toml:14: \[gate\] metric: "auroc" is a metric of binary tasks',
        ),
        ('"rmse"', '"rmsee"', r'toml:14: \[gate\] metric: "rmsee" is not a known metric(.|\n)*did you mean "rmse"'),
        ('"select', '"selct', r"toml:6: \[dataset\] query: .*selct(.|\n)*expected: one SELECT"),
        ('"select * from data"', '"drop table data"', r"toml:6: \[dataset\] query: this is DROP"),
    ],
)
def test_a_metric_or_query_that_cannot_be_is_placed(tmp_path: Path, old: str, new: str, told: str) -> None:
    shed, folder = open_shed(tmp_path / "shed"), tmp_path / "project"
    folder.mkdir()
    (folder / "trainshed.toml").write_text(TOML.replace(old, new))
    (folder / "pipeline.py").write_text("def train(run): ...\n")
    (folder / "trips.csv").write_text("km,minutes\n1,2\n")
    with pytest.raises(UsageError, match=told):
        launching.freeze(shed, folder, params={}, until=None)
    assert read_datasets.find(shed, "trips") is None
