"""`[sweep]`: a space is checked against `[train.params]`; a fault names its line, its key and what was expected."""

from __future__ import annotations

import tomllib

import pytest

from storage.errors import UsageError
from storage.project import ProjectSpec, check_project
from storage.sweep_section import SweepSection

PROJECT = """\
[project]
name = "p"
[dataset]
name = "d"
files = "data/*.csv"
[train]
entry = "pipeline:train"
[train.params]
lr = 1e-3
width = 32
optimizer = "adam"
sizes = [64, 32]
bf16 = true
[sweep]
"""


def project(text: str) -> ProjectSpec:
    return check_project(tomllib.loads(PROJECT + text), text=PROJECT + text)


def sweep(text: str) -> SweepSection:
    section = project(text).sweep
    assert section is not None
    return section


def fault(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        project(text)
    return str(caught.value)


def test_ranges_and_lists_of_every_type_of_param_are_read() -> None:
    found = sweep(
        "space = { lr = { low = 1e-4, high = 1, log = true }, width = { low = 8, high = 64, step = 8 }, "
        'optimizer = ["adam", "sgd"], sizes = [[64], [64, 32]], bf16 = [true, false] }'
    )
    assert (found.space["lr"].low, found.space["lr"].high, found.space["lr"].log) == (1e-4, 1.0, True)
    assert found.space["width"].step == 8
    assert found.space["sizes"].values == [[64], [64, 32]]
    assert (found.sampler, found.value, found.finish) == ("tpe", "last", "none")


def test_values_become_what_the_param_is() -> None:
    assert sweep("space = { lr = [1, 2] }").space["lr"].values == [1.0, 2.0]


def test_runs_do_not_depend_on_what_the_sweep_says() -> None:
    assert "sweep" not in project("space = { lr = [1, 2] }").model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sweep.space]\nwidht = [1, 2]", 'trainshed.toml:16: "sweep.space.widht": [train.params] has no such param'),
        ("[sweep.space]\nlr = 5", '16: "sweep.space.lr": expected a list of values, or { low = …, high = … }, not 5'),
        ("[sweep.space]\nlr = { lwo = 1 }", '16: unknown key "sweep.space.lr.lwo"; did you mean "low"?'),
        ("[sweep.space]\nlr = { low = 1 }", "16: "),
        ("[sweep.space]\nlr = { low = 2, high = 1 }", "low (2) must be below high (1)"),
        ("[sweep.space]\nlr = { low = 0, high = 1, log = true }", "log needs a low above 0"),
        ("[sweep.space]\nlr = { low = 0.1, high = 1, log = true, step = 1 }", "log and step contradict each other"),
        ("[sweep.space]\nlr = { low = 0.1, high = nan }", '"sweep.space.lr.high" = nan'),
        ("[sweep.space]\nlr = []", "the list of values is empty"),
        ("[sweep.space]\nwidth = [32, 32.5]", "width=32.5: wrong type; expected int, like 32"),
        ("[sweep.space]\nwidth = [32, 32.0]", "a value stands in the list twice"),
        ("[sweep.space]\nwidth = { low = 1.5, high = 3 }", "low = 1.5: the param is an integer, 32"),
        ("[sweep.space]\noptimizer = { low = 1, high = 3 }", "a range is for numbers"),
        ("[sweep.space]\nbf16 = { low = 0, high = 1 }", "a range is for numbers"),
        ("[sweep.space]", '"sweep.space": no param to try'),
        ("trials = 3", '"sweep.space" is missing'),
        ("space = { lr = [1] }\ntrails = 3", '16: unknown key "sweep.trails"; did you mean "trials"?'),
        ('space = { lr = [1] }\nsampler = "tpa"', 'did you mean "tpe"?'),
        ('sampler = "cmaes"\nspace = { lr = [1], width = [2] }', '15: "sweep.sampler": "cmaes" needs at least two'),
        ('metric = "val//auroc"\nspace = { lr = [1] }', "cannot name a metric"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_key(text: str, told: str) -> None:
    assert told in fault(text)
