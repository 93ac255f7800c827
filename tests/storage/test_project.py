"""A faulty trainshed.toml gets the file, the line, the key, what was expected and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import UsageError
from storage.project import find_project, frozen, load_project, placed

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
        ('by = "time"\ncolumn', 'by = "time"\n# column', 20, ["split.by", 'needs column = "…"']),
        ('name = "flight-delay"', "", 1, ["project.name", "missing"]),
        ("min = 0", 'min = "low"', 10, ["checks.columns.distance.min", "number"]),
        ("min = 0", "min = -inf", 10, ["checks.columns.distance.min", "finite"]),
        ("lr = 1e-3", "lr = nan", 26, ['"train.params.lr": nan cannot be a param', "finite numbers"]),
        ("lr = 1e-3", "lr = { low = 1 }", 26, ['"train.params.lr"', "cannot be a param"]),
        # a column twice, and what else could never hold
        ('["distance"]', '["distance", "distance"]', 16, ["features.numeric", "more than once, twice in numeric"]),
        (
            '["carrier"]',
            '["carrier", "distance"]',
            17,
            ['"distance" is named', "in numeric and in categorical", "take it out of categorical"],
        ),
        ('["distance"]', '["late"]', 16, ["in target and in numeric", "the target is no input"]),
        ("min = 0,", "min = 9, max = 2,", 10, ["min = 9 is above max = 2"]),
        ('in = ["UA"]', "in = []", 10, ["checks.columns.carrier.in", "empty"]),
        ('in = ["UA"]', 'matches = "(["', 10, ["checks.columns.carrier.matches", "missing ]"]),
        ("[train.params]", "seed = -1\n[train.params]", 25, ["train.seed", "0 or more"]),
        ("[split]", "[split]\nvalidation = 0.5\ntest = 0.5", 21, ["split.test", "0.5 + 0.5 of all rows leave none"]),
        ('task = "binary"', 'task = "binary"\nload = "a:b"', 16, ["features.load", "leave it out"]),
        # wrong types: nothing is read as what it might have meant
        ("[checks]", '[checks]\nmin_rows = "5"', 10, ["checks.min_rows", "'5': expected an integer"]),
        ("[checks]", "[checks]\nmin_rows = true", 10, ["true: expected an integer"]),
        ('numeric = ["distance"]', 'numeric = "distance"', 16, ['expected a list: ["distance"]']),
        ("[features]", "[[features]]", 13, ["expected a table; write [features] with single brackets"]),
        ('"select * from data where false"', '["a"]', 11, ["arrival after departure", "expected a text in quotes"]),
        ("[project]\n", "[project]\npython = 3.11\n", 2, ["project.python", "expected a text in quotes"]),
        # texts that are empty
        ('["distance"]', '["distance", ""]', 16, ["features.numeric.1", "a text that is not empty"]),
        ('"data/weather.parquet"', '""', 6, ["dataset.tables.weather", "a glob is empty"]),
        # keys in the wrong place
        ("[train.params]", "[params]", 25, ['unknown key "params"', "[train] or [test] has such a key"]),
        ("[features]", "[Features]", 13, ['did you mean "features"?']),
        # commands
        ('entry = "pipeline:train"', 'entry = "pipeline.py:train"', 24, ['without .py: "pipeline:train"']),
        ('entry = "pipeline:train"', 'command = "x --lr {lrr}"', 24, ["{lrr}", 'did you mean "lr"?']),
        ('entry = "pipeline:train"', 'command = "x \'"', 24, ["train.command", "a quote within it is not closed"]),
        # what is no TOML
        ('"late"', "late", 14, ["not valid TOML", 'a text stands in quotes: target = "late"']),
        ('"late"', "“late”", 14, ["straight quotes"]),
        ('task = "binary"', 'task = "binary"\ntask = "binary"', 16, ['"task" stands here a second time']),
        ("lr = 1e-3", "lr = 0,1", 26, ["a decimal point: lr = 0.1"]),
        ("lr = 1e-3", "lr: 0.1", 26, ["joined by =, not by :"]),
        ("epochs = 5", "epochs = True", 27, ["epochs = true"]),
        ("epochs = 5", "epochs = " + "[" * 3000 + "]" * 3000, 1, ["too deep"]),
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


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("[gate]\nmin = 0.8", 31, ["gate.min", 'expected metric = "…"']),
        ('[gate]\nmetric = "auroc"\nmin = 0.8\nmax = 0.7', 32, ["gate.min", "no model can pass"]),
        ('[gate]\nmetric = "auroc"\nmax_slice_drop = 0.1', 32, ["gate.max_slice_drop", "expected slices"]),
        ('[serve.log]\ndrop = ["carier"]', 31, ["serve.log.drop", "no input", 'did you mean "carrier"?']),
        ("[test.params]\nepoch = 1", 31, ["test.params.epoch", 'did you mean "epochs"?']),
        ('[trigger]\non = "code"', 30, ["write [[trigger]] with double brackets"]),
        ('[[trigger]]\non = "schedule"\ncron = "0 0 31 2 *"', 32, ["trigger.0.cron", "a day that never comes"]),
        ("[split]\nseed = 1", 30, ["[split] stands here a second time"]),
    ],
)
def test_what_the_later_sections_lack_is_placed_too(tmp_path: Path, more: str, line: int, words: list[str]) -> None:
    text = fault(tmp_path, f"{GOOD}{more}\n")
    assert f"trainshed.toml:{line}: " in text
    for word in words:
        assert word in text


def test_a_regression_has_no_classes_to_stratify_by(tmp_path: Path) -> None:
    text = GOOD.replace('"binary"', '"regression"').replace('by = "time"\ncolumn = "time_hour"', 'by = "stratified"')
    assert 'trainshed.toml:20: "split.by": a regression has no classes' in fault(tmp_path, text)


def test_files_as_other_editors_leave_them_are_read(tmp_path: Path) -> None:
    plain = load_project(write(tmp_path, GOOD))
    for text in ("\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.replace(" = ", "\t=\t")):
        (tmp_path / "trainshed.toml").write_bytes(text.encode())
        assert load_project(tmp_path) == plain


def test_a_file_in_another_encoding_says_in_which_line(tmp_path: Path) -> None:
    (tmp_path / "trainshed.toml").write_bytes(GOOD.replace('"late"', '"verspätet"').encode("latin-1"))
    with pytest.raises(UsageError, match=r"trainshed\.toml:14: not UTF-8 text(.|\n)*save it .* as UTF-8"):
        load_project(tmp_path)


def test_comments_and_long_texts_that_look_like_keys_are_not_taken_for_them(tmp_path: Path) -> None:
    query = 'query = """\nselect *, 1 as x\n-- task = 1\nfrom flights"""\n# task = "binry"'
    text = GOOD.replace('query = "select * from flights join weather using (origin)"', query)
    assert "trainshed.toml:19: " in fault(tmp_path, text.replace('task = "binary"', 'task = "binry"'))


def test_what_only_the_data_show_is_told_with_the_line_of_its_key(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(UsageError) as caught, placed(tmp_path):
        raise UsageError("no such metric", place="[split] column")
    assert str(caught.value) == f"{tmp_path}/trainshed.toml:21: [split] column: no such metric"


def test_settings_that_a_newer_version_froze_are_told_as_such(tmp_path: Path) -> None:
    settings = {**load_project(write(tmp_path, GOOD)).model_dump(mode="json", by_alias=True)}
    assert frozen(settings, "run 3").train.params == load_project(tmp_path).train.params
    with pytest.raises(UsageError) as caught:
        frozen({**settings, "shiny": 1, "gate": {"metric": "auroc", "glow": True}}, "run 3")
    told = str(caught.value)
    assert told.startswith("the settings of run 3: this version cannot read it") and "upgrade trainshed" in told
    assert 'unknown key "shiny"' in told and 'unknown key "gate.glow"' in told


def test_broken_toml_says_where(tmp_path: Path) -> None:
    assert "trainshed.toml:2: not valid TOML" in fault(tmp_path, '[project]\nname = "a\n')


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
