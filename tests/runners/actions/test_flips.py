"""Flips: two versions of a model asked about the same test rows."""

from __future__ import annotations

import pytest

from runners.actions import flips as verbs
from runners.actions.flips import Look
from runners.evaluation import flipping
from storage.errors import UsageError
from storage.shed import Shed
from storage.write import models as write_models
from tests.rivals import LATE, ROWS, hold_out, rival, rivals, serve
from tests.scenes import run_of


def test_the_newest_version_is_compared_with_production_row_by_row(shed: Shed) -> None:
    rivals(shed)
    found = verbs.flips(shed, "delays")
    assert (found.before, found.after, found.rows, found.flips, found.better, found.worse) == (1, 2, 6, 1, 1, 0)
    (flip,), total = found.page(Look(), 0, 10)
    assert (total, flip.row, flip.before, flip.after, flip.truth, flip.better) == (1, 1, "false", "true", "true", 1)
    assert (flip.sure_before, flip.sure_after) == (pytest.approx(0.5498, abs=1e-4), pytest.approx(0.5987, abs=1e-4))
    assert flip.change == pytest.approx(0.1485, abs=1e-4)  # late was given 0.4502 before
    # the columns of the slices first, then what the model takes; the target is told apart
    assert list(flip.values.items()) == [("airport", "EWR"), ("distance", 800.0), ("carrier", "B6"), ("day", 0)]


def test_flips_are_counted_by_slice_those_with_most_first_and_small_ones_last(shed: Shed) -> None:
    rivals(shed)
    found = verbs.flips(shed, "delays")
    told = [(each.value, each.rows, each.flips, each.better) for each in found.slices]
    assert told == [("EWR", 3, 1, 1), ("JFK", 2, 0, 0), ("LGA", 1, 0, 0)]
    assert found.page(Look("airport", "JFK"), 0, 10) == ([], 0)
    with pytest.raises(UsageError, match='no value of airport "XX"'):
        found.page(Look("airport", "XX"), 0, 10)


def test_they_are_chosen_sorted_and_paged(shed: Shed) -> None:
    rivals(shed)
    run = run_of(shed, "delays", spec={})
    hold_out(shed, run, ROWS, LATE)
    rival(shed, run, bias=-9.0)  # never late
    found = verbs.flips(shed, "delays@v3")
    assert (found.flips, found.better, found.worse) == (3, 1, 2)

    def rows(look: Look, first: int = 0, count: int = 9) -> list[int]:
        return [flip.row for flip in found.page(look, first, count)[0]]

    assert rows(Look(order="row", descending=False)) == [2, 3, 4]
    assert rows(Look()) == [4, 2, 3]
    assert rows(Look(), 1, 2) == [2, 3]
    assert rows(Look(which="better")) == [3]
    assert rows(Look(which="worse", order="before", descending=False)) == [2, 4]


def test_production_itself_is_compared_with_the_version_before(shed: Shed) -> None:
    _, second = rivals(shed)
    write_models.promote(shed, second.id or 0, override="in a hurry")
    assert verbs.flips(shed, "delays").before == 1


def test_without_another_version_or_without_rows_it_says_what_to_do(shed: Shed) -> None:
    rivals(shed)
    with pytest.raises(UsageError, match="run 1 has no test rows here"):
        verbs.flips(shed, "delays@v1", against="v2")
    with pytest.raises(UsageError, match="nothing to compare v1 with"):
        verbs.flips(shed, "delays@v1")
    with pytest.raises(UsageError, match="agrees with itself"):
        verbs.flips(shed, "delays@v2", against="v2")


def test_the_rows_go_by_in_batches_and_only_those_changed_most_are_kept(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival(shed, run_of(shed, "delays"), bias=-9.0)
    run = run_of(shed, "delays", spec={"gate": {"slices": ["airport"]}})
    hold_out(shed, run, {name: values * 20 for name, values in ROWS.items()}, LATE * 20)
    rival(shed, run, bias=9.0)
    monkeypatch.setattr(flipping, "BATCH", 7)
    monkeypatch.setattr(flipping, "MOST_KEPT", 15)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> bool:
        told.append((done, total))
        return True

    found = verbs.flips(shed, "delays@v2", against="v1", progress=progress)
    assert (found.rows, found.flips, found.kept) == (120, 120, 15)
    assert {each.value: each.flips for each in found.slices} == {"EWR": 60, "JFK": 40, "LGA": 20}
    assert (told[0], told[-1]) == ((7, 120), (120, 120))


def test_who_does_not_listen_any_more_gets_what_was_found_so_far(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    rivals(shed)
    monkeypatch.setattr(flipping, "BATCH", 2)
    assert verbs.flips(shed, "delays", progress=lambda *_: False).rows == 2


def test_what_an_endpoint_was_asked_can_be_asked_instead(shed: Shed) -> None:
    first, _ = rivals(shed)
    records: list[dict[str, object]] = [
        {"distance": 800.0, "carrier": "B6", "day": 0},
        {"distance": 900.0, "carrier": None, "day": 0},
        {"distance": None, "carrier": "B6", "day": 0},  # counts as 0 miles
        {"distance": 800.0, "carrier": "B6", "day": None},  # neither model can do without
    ]
    serve(shed, first, records, {0: True})
    found = verbs.flips(shed, "delays", endpoint="delays")
    assert (found.source, found.rows, found.flips, found.better, found.worse) == ("logged rows of delays", 3, 2, 1, 0)
    told = {flip.values["distance"]: (flip.values["carrier"], flip.truth) for flip in found.page(Look(), 0, 9)[0]}
    assert told == {800.0: ("B6", "true"), 900.0: (None, None)}
    assert {(each.column, each.value) for each in found.slices} >= {("carrier", "B6"), ("day", "0")}
    with pytest.raises(UsageError, match="no prediction that both models could answer"):
        verbs.flips(shed, "delays", endpoint="delays", last=1)  # the newest row is the one without a day
