"""What people are asked to label: what the model was unsure of, what is unlike its training, and why each."""

from __future__ import annotations

import random
from typing import Any

from runners.labelling.choosing import Asked, choose, doubt

CLASSES = ("no", "yes")


def asked(number: int, probability: float, **values: Any) -> Asked:
    return Asked((f"id{number}", 0), {"a": 0.0, "kind": "x", "n": number, **values}, {"probability": probability})


def trained(rows: int = 500) -> dict[str, list[Any]]:
    rng = random.Random(0)
    return {"a": [rng.gauss(0, 1) for _ in range(rows)], "kind": [rng.choice("xy") for _ in range(rows)]}


def test_the_least_sure_come_first_with_their_shares() -> None:
    rows = [asked(i, p) for i, p in enumerate((0.9, 0.02, 0.52, 0.6))]
    found = choose(rows, {}, CLASSES, 2)
    assert [(each.asked.key[0], each.why) for each in found] == [
        ("id2", "unsure: yes 52%, no 48%"),
        ("id3", "unsure: yes 60%, no 40%"),
    ]


def test_of_several_classes_the_margin_between_the_first_two_counts() -> None:
    found = doubt({"probabilities": {"a": 0.1, "b": 0.5, "c": 0.4}, "label": "b"}, ("a", "b", "c"))
    assert found is not None and abs(found[0] - 0.9) < 1e-9 and found[1] == "unsure: b 50%, c 40%"
    assert doubt({"probabilities": {"a": None, "b": 0.5, "c": 0.4}}, ("a", "b", "c")) is None
    assert doubt({"prediction": 3.5}, ()) is None


def test_rows_unlike_training_say_which_value_is_strange() -> None:
    rng = random.Random(1)
    rows = [asked(i, 0.99, a=rng.gauss(0, 1), kind=rng.choice("xy")) for i in range(100)]
    rows += [asked(200, 0.99, kind="z"), asked(201, 0.99, a=9.0)]
    whys = [each.why for each in choose(rows, trained(), CLASSES, 12) if each.why.startswith("unlike")]
    assert "unlike training: kind z, 1.0% of what is asked now, none of that" in whys
    assert "unlike training: a 9, 1.0% of what is asked now, none of that" in whys


def test_one_strange_column_does_not_crowd_out_the_rest() -> None:
    rows = [asked(i, 0.5 + i / 1000, a=9.0 + i) for i in range(50)]
    found = choose(rows, trained(), CLASSES, 8)
    assert len(found) == 8
    assert 1 <= sum(each.why.startswith("unlike training: a") for each in found) <= 2


def test_rows_that_are_alike_are_asked_once() -> None:
    rows = [Asked((f"id{i}", 0), {"a": 1.0}, {"probability": 0.5}) for i in range(10)]
    assert [each.asked.key for each in choose(rows, {}, CLASSES, 5)] == [("id0", 0)]
