"""The pulse of an endpoint is what its counters gained between two looks."""

from __future__ import annotations

import pytest

from runners.actions import predictions
from runners.actions.pulse import Pulse, rate
from runners.serving.figures import Figures
from storage.shed import Shed


def test_a_beat_is_what_came_between_two_looks(shed: Shed) -> None:
    folder = shed.make_dir(shed.endpoint_dir("delays"))
    worker, pulse = Figures(folder / "worker-0.figures"), Pulse(shed)
    worker.add("answered", 1000)
    pulse.look()
    assert pulse.beats("delays") == [] and pulse.rate("delays") is None
    worker.add("answered", 20)
    worker.add("refused", 3)
    worker.add("shed", 2)
    for milliseconds in [0.4] * 18 + [30.0] * 2:
        worker.took(milliseconds)
    pulse.look()
    (beat,) = pulse.beats("delays")
    assert (beat.answered, beat.refused, beat.failed) == (20, 3, 2)
    found = rate([beat])
    assert found.requests == pytest.approx(20 / beat.seconds)
    assert (found.p50, found.p99) == (0.5, 50.0)
    assert pulse.rate("another") is None


def test_what_an_output_says_is_its_probability_its_likeliest_class_or_its_number() -> None:
    assert predictions.read_out({"probability": 0.25}) == (0.25, 0.25)
    assert predictions.read_out({"probabilities": {"cat": 0.1, "dog": 0.7, "emu": 0.2}, "label": "dog"}) == ("dog", 0.7)
    assert predictions.read_out({"probabilities": {"cat": None}}) == (None, None)
    assert predictions.read_out({"prediction": 12.5}) == (12.5, None)
    assert predictions.read_out("odd") == ("odd", None)
