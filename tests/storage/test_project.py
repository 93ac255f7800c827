"""A faulty trainshed.toml gets the file, the line, the key, what was expected and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import UsageError
from storage.project import find_project, load_project

GOOD = """\
[project]
name = "flight-delay"

[dataset]
name = "flights"
tables = { flights = "data/flights-*.parquet", weather = "data/weather.parquet" }
query = "select * from flights join weather using (origin)"

[checks]
columns = { distance = { type = "integer", min = 0, on_fail = "stop" }, carrier = { in = ["UA"], on_fail = "warn" } }
sql = { "arrival after departure" = "select * from data where false" }

[features]
target = "late"
task = "binary"
numeric = ["distance"]
categorical = ["carrier"]

[split]
by = "time"
column = "time_hour"

[train]
entry = "pipeline:train"
[train.params]
lr = 1e-3
epochs = 5
name = "adamw"
layers = [1, 2]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "trainshed.toml").write_text(text)
    return folder


def fault(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_project(write(folder, text))
    return str(caught.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    spec = load_project(write(tmp_path, GOOD))
    assert spec.dataset.globs == {"flights": ["data/flights-*.parquet"], "weather": ["data/weather.parquet"]}
    assert spec.checks.columns["carrier"].within == ["UA"]
    assert spec.train.params == {"lr": 1e-3, "epochs": 5, "name": "adamw", "layers": [1, 2]}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("numeric =", "numric =", 16, ["features.numric", 'did you mean "numeric"?']),
        ('task = "binary"', 'task = "binry"', 15, ["features.task", 'did you mean "binary"?']),
        ('type = "integer"', 'type = "intger"', 10, ["checks.columns.distance.type", 'did you mean "integer"?']),
        ("[split]", "[splt]", 19, ["splt", 'did you mean "split"?']),
        ('"pipeline:train"', '"pipeline.train"', 24, ["train.entry", "module:function"]),
        ('name = "flights"', 'name = "../flights"', 5, ["dataset.name", "letters"]),
        ('by = "time"\ncolumn', 'by = "time"\n# column', 19, ["split", 'needs column = "…"']),
        ('name = "flight-delay"', "", 1, ["project.name", "missing"]),
        ("min = 0", 'min = "low"', 10, ["checks.columns.distance.min", "number"]),
        ("min = 0", "min = -inf", 10, ["checks.columns.distance.min", "finite"]),
        ("lr = 1e-3", "lr = nan", 26, ['"train.params.lr": nan cannot be a param', "finite numbers"]),
        ("lr = 1e-3", "lr = { low = 1 }", 26, ['"train.params.lr"', "cannot be a param"]),
    ],
)
def test_a_typo_is_placed_and_explained(tmp_path: Path, old: str, new: str, line: int, words: list[str]) -> None:
    text = fault(tmp_path, GOOD.replace(old, new))
    assert f"trainshed.toml:{line}: " in text
    for word in words:
        assert word in text


RETRY = 'retry_smaller = { halve = "micro_batch", double = "accumulation" }\n[train.params]\nmicro_batch = 32\n'


def test_a_project_may_say_how_a_run_that_ran_out_of_gpu_memory_gets_smaller(tmp_path: Path) -> None:
    spec = load_project(write(tmp_path, GOOD.replace("[train.params]\n", RETRY + "accumulation = 1\n")))
    assert spec.train.retry_smaller is not None
    assert (spec.train.retry_smaller.halve, spec.train.retry_smaller.double) == ("micro_batch", "accumulation")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ("accumulations = 1\n", ['double = "accumulation": [train.params] has no such', 'mean "accumulations"?']),
        ("accumulation = 1.0\n", ['double = "accumulation": expected an integer of 1 or more, not 1.0']),
        ("accumulation = true\n", ["not True"]),
        ("accumulation = 0\n", ["not 0"]),
    ],
)
def test_the_params_that_change_then_must_be_there_and_be_integers(
    tmp_path: Path, params: str, words: list[str]
) -> None:
    text = fault(tmp_path, GOOD.replace("[train.params]\n", RETRY + params))
    assert "trainshed.toml:25: " in text and "train.retry_smaller" in text
    for word in words:
        assert word in text


def test_several_faults_are_all_told_at_once(tmp_path: Path) -> None:
    text = fault(tmp_path, GOOD.replace("numeric =", "numric =").replace('task = "binary"', 'task = "binry"'))
    assert "features.numric" in text
    assert "features.task" in text


def test_broken_toml_says_where(tmp_path: Path) -> None:
    assert "line 2" in fault(tmp_path, '[project]\nname = "a\n')


def test_params_are_overridden_with_the_type_they_have(tmp_path: Path) -> None:
    spec = load_project(write(tmp_path, GOOD), overrides={"lr": 1, "epochs": 7.0, "name": 3})
    assert spec.train.params == {"lr": 1.0, "epochs": 7, "name": "3", "layers": [1, 2]}


def test_a_param_the_project_does_not_have_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='did you mean "epochs"'):
        load_project(write(tmp_path, GOOD), overrides={"epoch": 3})
    with pytest.raises(UsageError, match="expected: int"):
        load_project(tmp_path, overrides={"epochs": "many"})
    with pytest.raises(UsageError, match="no finite number"):
        load_project(tmp_path, overrides={"lr": float("nan")})


def test_the_project_is_found_from_a_folder_below(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert find_project(tmp_path / "deep" / "er") == tmp_path
    with pytest.raises(UsageError, match="trainshed init"):
        find_project(tmp_path.parent)
