"""Answers read back from the log, whatever the task, and truths however people send them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.evaluation.truths import truths
from runners.monitoring import answers
from runners.packaging.signature import Input, Output, Signature
from storage import predictions
from storage.project import Task

CLASSES = ('the "dry" one', "it's $.a\\b", "süß")


def signature(task: Task, output: str, classes: tuple[str, ...] = ()) -> Signature:
    inputs = (
        Input("weird $.\"name'", "number", "DOUBLE", ("n", 1), "nan"),
        Input("kind", "text", "STRING", ("n", 1), "empty", ("x", "y")),
    )
    return Signature(task, inputs, (Output(output, "FLOAT", ("n",)),), classes, "y")


def write(folder: Path, out: list[dict[str, Any]], truths: list[Any]) -> None:
    rows = [{"weird $.\"name'": float(place), "kind": "xy"[place % 2]} for place in range(len(out))]
    line = {"id": "a" * 24, "at": 50.0, "ms": 1.0, "version": 1, "digest": "d", "route": "production"}
    (folder / "p-1-1.jsonl").write_text(json.dumps({**line, "out": out, "rows": rows}) + "\n")
    told = [{"id": "a" * 24, "row": row, "truth": truth, "at": 60.0} for row, truth in enumerate(truths)]
    (folder / "t-1-1.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))


def test_probabilities_of_several_classes_are_read_in_the_models_order(tmp_path: Path) -> None:
    its = signature("multiclass", "probabilities", CLASSES)
    shares = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    out = [{"probabilities": dict(zip(CLASSES, each, strict=True)), "label": "?"} for each in shares]
    write(tmp_path, [*out, {"probabilities": {CLASSES[0]: None}}], [CLASSES[2], CLASSES[1], CLASSES[0]])
    with predictions.connect(tmp_path) as con:
        found = answers.known(con, its, 1, 0.0, ["kind", "weird $.\"name'"])
        assert len(answers.known(con, its, 2, 0.0, [])) == 0 == len(answers.drawn(con, its, 1, 51.0))
    order = np.argsort(found.columns["weird $.\"name'"])
    assert found.prediction[order].tolist() == shares  # what was no finite number is left out
    assert found.truth[order].tolist() == [2.0, 1.0]
    assert [found.columns["kind"][place] for place in order] == ["x", "y"]


def test_values_of_a_regression_are_numbers(tmp_path: Path) -> None:
    write(tmp_path, [{"prediction": 3.5}, {"prediction": None}, {"prediction": -1.0}], [3.0, 1.0])
    with predictions.connect(tmp_path) as con:
        found = answers.drawn(con, signature("regression", "prediction"), 1, 0.0)
        assert answers.latencies(con, 0.0, 10.0) == {5: (1, 1.0, 1.0)} and answers.count(con, 0.0) == 3
    assert sorted(found.prediction.tolist()) == [-1.0, 3.5]
    assert np.isnan(found.truth[found.prediction == -1.0]).all() and found.truth[found.prediction == 3.5] == [3.0]


@pytest.mark.parametrize(
    ("classes", "told", "expected"),
    [
        (("false", "true"), ["true", "1", "0", "1.0", "late"], [1, 1, 0, 1, math.nan]),
        (("0", "1"), ["1", "true", "1.0", "0", None], [1, 1, 1, 0, math.nan]),
        (("early", "late"), ["late", "early", "1"], [1, 0, math.nan]),
    ],
)
def test_truths_are_understood_as_people_send_them(
    classes: tuple[str, ...], told: list[str | None], expected: list[float]
) -> None:
    found = truths(told, signature("binary", "probability", classes))
    assert np.array_equal(found, np.array(expected, float), equal_nan=True)
