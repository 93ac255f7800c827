"""What past runs held says whether the next one fits; where they say little, so does trainshed."""

from __future__ import annotations

import pytest

from runners.foresight import Foresight, check, foresee, smaller, verdict
from storage.errors import UsageError
from storage.project import TrainSection
from storage.read.similar import PastPeak, peaks
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.lessees import card

GB = 1_000_000_000
PARAMS: dict[str, object] = {"lr": 1e-3, "epochs": 5, "batch_size": 64, "width": 256}


def past(
    run_id: int,
    gb: float | None,
    *,
    code: str = "now",
    ending: str = "done",
    alone: bool = True,
    gpus: int = 1,
    devices: tuple[str, ...] = ("gpu0",),
    **params: object,
) -> PastPeak:
    peak = round(gb * GB) if gb is not None else None
    return PastPeak(run_id, code, {**PARAMS, **params}, gpus, peak, ending, alone, devices)


def foreseen(*runs: PastPeak, **params: object) -> Foresight:
    return foresee(runs, {**PARAMS, **params}, "now", 1)


def judged(found: Foresight, room: int = 80, claim: int | None = None) -> tuple[str, str]:
    told = verdict(found, claim=claim * GB if claim else None, sizes={"gpu0": room * GB})
    return told.fits, told.text


def test_runs_are_alike_whatever_their_learning_rate_seed_or_length() -> None:
    found = foreseen(past(3, 24, lr=1.0), past(2, 22, epochs=99, accumulation=4), past(1, 23))
    assert (found.expected_bytes, found.least_bytes, found.largest_bytes) == (23 * GB, 22 * GB, 24 * GB)
    assert (found.runs, found.like, found.same_code) == (3, [3, 2, 1], True)
    assert judged(found) == ("yes", "runs 3, 2 and 1 held 22 GB to 24 GB")


def test_other_widths_other_gpus_and_params_that_are_new_say_nothing() -> None:
    found = foreseen(past(1, 99, width=512), past(2, 99, gpus=2), past(3, 99, extra=1), past(4, 99, batch_size=128))
    assert found == Foresight()
    assert judged(found) == ("unknown", "")


def test_a_run_that_held_far_more_than_there_is_will_surely_not_fit_again() -> None:
    assert judged(foreseen(past(7, 40)), room=24) == (
        "surely not",
        "run 7 held 40 GB, which is little to go by; the GPU here has 24 GB",
    )


def test_what_an_allocator_may_keep_without_need_is_no_reason_to_refuse() -> None:
    fits, text = judged(foreseen(past(1, 30), past(2, 26), past(3, 27)), room=24)
    assert fits == "perhaps not"
    assert "26 GB to 30 GB" in text


def test_a_claim_is_held_against_what_runs_really_held() -> None:
    runs = [past(run, 11 + run / 10) for run in range(1, 5)]
    fits, text = judged(foreseen(*runs), claim=10)
    assert fits == "surely not"
    assert text == "4 runs like it, such as 1, held 11.1 GB to 11.4 GB; it claims 10 GB"
    assert judged(foreseen(*runs), claim=12)[0] == "yes"
    assert judged(foreseen(*runs, past(9, 9)), claim=10)[0] == "perhaps not"


def test_a_run_of_other_code_is_told_of_and_never_a_reason_to_refuse() -> None:
    fits, text = judged(foreseen(past(1, 70, code="before")), room=24)
    assert fits == "perhaps not"
    assert "with other code" in text
    found = foreseen(past(2, 10), past(1, 70, code="before"))
    assert (found.largest_bytes, found.like) == (10 * GB, [2])


def test_smaller_batches_say_what_it_takes_at_least() -> None:
    fits, text = judged(foreseen(past(1, 40, batch_size=32)), room=24)
    assert fits == "surely not"
    assert text == "run 1, with smaller batches, held 40 GB; the GPU here has 24 GB"
    assert judged(foreseen(past(1, 20, batch_size=32)), room=24) == ("unknown", "")
    assert judged(foreseen(past(1, 40, batch_size=32), past(2, 20)), room=24)[0] == "yes"  # it did fit, after all


def test_what_ran_out_alone_will_run_out_again_on_a_gpu_no_larger() -> None:
    out = past(5, 20, ending="gpu memory", devices=("gpu0",))
    fits, text = judged(foreseen(out), room=24)
    assert fits == "surely not"
    assert text == "run 5 ran out of GPU memory, alone on a GPU of 24 GB; the GPU here has 24 GB"
    told = verdict(foreseen(out), claim=None, sizes={"gpu0": 24 * GB, "gpu1": 80 * GB})
    assert told.fits == "perhaps not"  # there is a larger one now
    assert judged(foreseen(out, past(6, 22)), room=24)[0] == "yes"  # and then it did not


def test_running_out_beside_others_or_with_other_code_says_nothing() -> None:
    for out in (past(5, 20, ending="gpu memory", alone=False), past(5, 20, ending="gpu memory", code="before")):
        assert judged(foreseen(out), room=24) == ("unknown", "")


def test_without_gpus_or_for_a_run_without_one_nothing_is_said() -> None:
    found = foreseen(past(1, 40))
    assert verdict(found, claim=None, sizes={}).fits == "unknown"
    assert verdict(found, claim=None, sizes={"gpu0": GB}, gpus=0).fits == "unknown"


def test_a_run_of_two_gpus_needs_two_that_are_large_enough() -> None:
    found = foresee([past(1, 40, gpus=2)], PARAMS, "now", 2)
    sizes = {"gpu0": 80 * GB, "gpu1": 24 * GB}
    assert verdict(found, claim=None, sizes=sizes, gpus=2).fits == "surely not"
    assert verdict(found, claim=None, sizes={**sizes, "gpu2": 80 * GB}, gpus=2).fits == "yes"


def finished(shed: Shed, gb: int | None, *, ending: str = "done", kind: str = "pipeline", code: str = "now") -> int:
    spec = {"command": ["x"]} if kind == "command" else {"train": {"gpus": 1, "params": PARAMS}}
    new = write_runs.NewRun(
        name="n", project="p", project_dir="/p", identity="i", code=code, spec=spec, snapshot={}, params={}, kind=kind
    )
    run_id = write_runs.create(shed, new).id or 0
    write_runs.peaks(shed, run_id, rss_bytes=None, gpu_bytes=gb * GB if gb else None)
    write_runs.finish(shed, run_id, "done", 0 if ending == "done" else 1, ending=ending)
    return run_id


def test_past_peaks_are_read_from_the_shed_the_newest_first(shed: Shed) -> None:
    first, out = finished(shed, 20), finished(shed, None, ending="gpu memory")
    finished(shed, None)  # never seen on a GPU
    command = finished(shed, 5, kind="command", code="")
    found = peaks(shed, "p")
    assert [(run.run_id, run.peak_bytes, run.ending) for run in found] == [
        (out, None, "gpu memory"),
        (first, 20 * GB, "done"),
    ]
    assert found[1].params == PARAMS and found[1].gpus == 1 and not found[1].alone
    assert [(run.run_id, run.params) for run in peaks(shed, "p", "command")] == [(command, {"command": ["x"]})]
    assert peaks(shed, "other") == peaks(shed, "p", host="elsewhere") == []


def test_a_launch_that_will_surely_not_fit_is_refused_with_the_figures_or_told_with_force(shed: Shed) -> None:
    finished(shed, 20)

    def launched(claim: int | None, total: int, *, force: bool = False) -> list[str]:
        return check(
            shed, project="p", params=PARAMS, code="now", gpus=1, claim=claim, readings=[card(total=total)], force=force
        )

    with pytest.raises(UsageError) as caught:
        launched(10 * GB, 80 * GB)
    assert "run 1 held 20 GB" in caught.value.message and "claims 10 GB" in caught.value.message
    assert "--gpu-memory 20GB" in caught.value.expected and "--force" in caught.value.todo
    (remark,) = launched(10 * GB, 80 * GB, force=True)
    assert remark.startswith("it will hardly fit: run 1 held 20 GB")
    assert launched(None, 80 * GB) == []
    (remark,) = launched(None, 18 * GB)
    assert remark.startswith("it may not fit: ")


def test_what_ran_out_of_memory_goes_on_with_half_the_batch_and_twice_the_accumulation() -> None:
    def train(micro_batch: int, accumulation: int) -> TrainSection:
        return TrainSection.model_validate(
            {
                "entry": "pipeline:train",
                "params": {"micro_batch": micro_batch, "accumulation": accumulation, "lr": 1e-3},
                "retry_smaller": {"halve": "micro_batch", "double": "accumulation"},
            }
        )

    assert smaller(train(32, 1)) == {"micro_batch": 16, "accumulation": 2}
    assert smaller(train(2, 16)) == {"micro_batch": 1, "accumulation": 32}
    assert smaller(train(1, 32)) is None
    assert smaller(train(25, 1)) is None  # half of it would see another number of rows a step
    assert smaller(TrainSection(entry="pipeline:train")) is None
