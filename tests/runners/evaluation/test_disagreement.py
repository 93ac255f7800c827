from __future__ import annotations

import numpy as np
import pytest

from runners.evaluation.decisions import decided
from runners.evaluation.disagreement import Answers, aligned, answers, better, changed
from storage.project import Task


def compared(task: Task, before: object, after: object, truth: object) -> Answers:
    truth = np.asarray(truth, np.float64)
    return answers(task, np.arange(len(truth)), np.asarray(before), np.asarray(after), truth)


def test_a_binary_answer_flips_where_it_crosses_one_half() -> None:
    found = compared("binary", [0.2, 0.49, 0.5, 0.9], [0.3, 0.5, 0.1, 0.8], [0, 1, 1, 1])
    assert changed("binary", found).tolist() == [False, True, True, False]
    assert better("binary", found).tolist() == [0, 1, -1, 0]
    assert found.sure_before.tolist() == pytest.approx([0.8, 0.51, 0.5, 0.9])
    assert found.change.tolist() == pytest.approx([-0.1, 0.01, 0.4, -0.1])  # of how likely the new answer is


def test_it_decides_as_the_metrics_do() -> None:
    probability = np.array([0.5, 0.25, 0.75])
    found = compared("binary", probability, probability, [0, 0, 0])
    assert found.after.tolist() == decided("binary", probability).tolist()


def test_an_unknown_truth_makes_nothing_better_or_worse() -> None:
    assert better("binary", compared("binary", [0.1], [0.9], [np.nan])).tolist() == [0]
    assert better("regression", compared("regression", [1.0], [2.0], [np.nan])).tolist() == [0]


def test_a_value_flips_beyond_rounding_and_is_better_where_it_is_nearer() -> None:
    found = compared("regression", [10.0, 10.0, 10.0], [10.001, 12.0, 8.0], [13.0, 13.0, 13.0])
    assert changed("regression", found).tolist() == [False, True, True]
    assert better("regression", found).tolist() == [1, 1, -1]
    assert found.change.tolist() == pytest.approx([0.001, 2.0, -2.0])


def test_classes_that_one_model_does_not_know_are_never_its_answer() -> None:
    before = aligned(np.array([[0.4, 0.6]], np.float32), ["cat", "dog"], ["dog", "possum", "cat"])
    found = compared("multiclass", before, [[0.1, 0.8, 0.1]], [1])
    assert before.tolist() == [[pytest.approx(0.6), 0.0, pytest.approx(0.4)]]
    assert (found.before.tolist(), found.after.tolist()) == ([0.0], [1.0])
    assert found.change.tolist() == pytest.approx([0.8])
