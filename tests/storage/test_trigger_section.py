"""`[[trigger]]` and `[alerts]`: what may stand there, and what a person is told where it may not."""

from __future__ import annotations

import tomllib

import pytest

from storage.errors import UsageError
from storage.project import ProjectSpec, check_project

PROJECT = """\
[project]
name = "tiny"
[dataset]
name = "points"
files = "data/*.csv"
[train]
entry = "pipeline:train"
"""


def checked(text: str) -> ProjectSpec:
    return check_project(tomllib.loads(PROJECT + text), text=PROJECT + text)


def refused(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        checked(text)
    return str(caught.value)


def test_a_trigger_is_called_after_what_sets_it_off() -> None:
    (trigger,) = checked('[[trigger]]\non = "new-data"\n').trigger
    assert (trigger.called, trigger.do, trigger.window) == ("new-data", "retrain", None)


def test_a_run_is_the_same_whatever_its_project_says_of_triggers() -> None:
    assert checked("").model_dump() == checked('[[trigger]]\non = "new-data"\n[alerts]\nto = ["env:X"]\n').model_dump()


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[[trigger]]\non = "new-dat"\n', 9, 'did you mean "new-data"?'),
        ('[[trigger]]\non = "schedule"\n', 8, "needs cron"),
        ('[[trigger]]\non = "schedule"\ncron = "61 * * * *"\n', 10, "five fields"),
        ('[[trigger]]\non = "schedule"\ncron = "0 6 * * *"\ntimezone = "Mars"\n', 11, "no time zone"),
        ('[[trigger]]\non = "new-data"\ncron = "0 6 * * *"\n', 10, 'it belongs to on = "schedule"'),
        ('[[trigger]]\non = "new-data"\n[[trigger]]\non = "new-data"\n', 10, "a second trigger called"),
        ('[[trigger]]\non = "new-data"\nbackfill = "6 months"\n', 10, "last 6 months"),
        ('[[trigger]]\non = "new-data"\nbackfill = "last 6 months"\n', 10, "needs [split] column"),
        ('[[trigger]]\non = "new-data"\nquiet = 3\n', 10, 'unknown key "trigger.0.quiet"'),
        ('[[trigger]]\non = "new-data"\nname = "a"\n[[trigger]]\non = "new-data"\nmost_a_day = 0\n', 13, "most_a_day"),
        (
            '[[trigger]]\non = "drift"\ncolumns = ["distanse"]\n'
            '[features]\ntarget = "late"\ntask = "binary"\nnumeric = ["distance"]\n',
            10,
            '"distanse" is no input of the model; did you mean "distance"?',
        ),
        ('[alerts]\nto = ["slack://secret/token"]\n', 9, "does not belong into this file"),
        ('[alerts]\nquiet_hours = "22-7"\n', 9, "22:00-07:00"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, line: int, told: str) -> None:
    message = refused(text)
    assert message.startswith(f"trainshed.toml:{line}:"), message
    assert told in message


def test_a_secret_in_the_file_is_not_repeated_in_the_message() -> None:
    assert "secret" not in refused('[alerts]\nto = ["slack://hush/token"]\n').replace("is a secret", "")
    assert "hush" not in refused('[alerts]\nto = ["slack://hush/token"]\n')
