"""Serving: what answers, how it does, what it predicted lately, and what can be done with it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from runners.actions import canaries, endpoints
from runners.actions.replaying import Replay
from runners.evaluation.replayed import Changed
from runners.monitoring.drift import ColumnDrift
from runners.monitoring.harm import ColumnHarm
from runners.serving.accesslog import AccessLog
from runners.serving.figures import Figures
from screens.monitor import drift_told
from screens.prediction import PredictionPage
from screens.rollout_report import shadow_told
from screens.rollout_verbs import asked
from screens.serving import Serving
from screens.widgets.health import vitals
from storage.accesses import Access
from storage.errors import UsageError
from storage.rollout_section import CanarySection
from storage.shed import Shed
from storage.write import rollouts as write_rollouts
from tests.screens.driving import Driven, driving
from tests.screens.serving_scene import answered, endpoint_of
from tests.served import version_of

RECORD = {"distance": 500.0, "carrier": "UA", "day": 3}


async def in_serving(driven: Driven) -> Serving:
    await driven.press("6")
    screen = driven.app.screen
    assert isinstance(screen, Serving)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_what_answers_how_it_does_and_what_it_predicts_stand_together(shed: Shed, size: tuple[int, int]) -> None:
    folder, version = endpoint_of(shed)
    answered(folder, version, RECORD, {**RECORD, "carrier": "AA"})
    async with driving(shed, size=size) as driven:
        await in_serving(driven)
        await driven.sees("● serving", "delays v1", "127.0.0.1:8123", "requests/s", "p99", "errors/s", "0.9000", "UA")


async def test_requests_a_second_move_with_the_counters(shed: Shed) -> None:
    folder, _ = endpoint_of(shed)
    async with driving(shed, size=(120, 40)) as driven:
        await in_serving(driven)
        pulse = driven.app.pulse
        assert pulse is not None
        pulse.look()
        worker = Figures(folder / "worker-0.figures")
        worker.add("answered", 30)
        worker.add("failed", 5)
        pulse.look()
        beats = pulse.beats("delays")[-1:]
        told = "\n".join("".join(part.text for part in row) for row in vitals(beats, 60))
        assert "█" in told and "failed 0/s" not in told
        await driven.sees("req/s")


async def test_an_endpoint_that_should_run_and_does_not_says_so(shed: Shed) -> None:
    endpoint_of(shed, supervisor={}, trouble="delays v2 answers NaN")
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.sees("✗ dead", "! delays v2 answers NaN")


async def test_where_nothing_is_served_the_screen_says_what_goes_there(shed: Shed) -> None:
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.sees("Nothing is served yet", "n ", "trainshed endpoints start MODEL")
        await driven.press("x")
        await driven.sees("There is no endpoint yet")


async def test_new_predictions_come_in_at_the_top(shed: Shed) -> None:
    folder, version = endpoint_of(shed)
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.sees("No prediction yet")
        answered(folder, version, {**RECORD, "carrier": "a new one"})
        await driven.sees("a new one")


async def test_enter_tells_all_of_a_prediction_and_t_where_it_came_from(shed: Shed) -> None:
    folder, version = endpoint_of(shed)
    answered(folder, version, RECORD)
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.press("enter", "enter")
        assert isinstance(driven.app.screen, PredictionPage)
        await driven.sees("delays v1 said", "distance", "500", "carrier", "UA")
        await driven.press("t")
        await driven.sees("run 1 delays")
        await driven.press("escape", "t")
        await driven.sees("where it came from", "run 1 delays")


async def test_a_canary_stands_under_the_curves_and_is_given_up_after_a_second_key(shed: Shed) -> None:
    _, version = endpoint_of(shed)
    second = version_of(shed, 0.1, alias="candidate")
    rules = CanarySection(percent=20).model_dump(mode="json")
    write_rollouts.begin(shed, "delays", "canary", "delays", version=second, against=version, rules=rules)
    async with driving(shed, size=(120, 40)) as driven:
        await in_serving(driven)
        await driven.sees("● canary v2", "20 %", "v1 its own", "v2 canary", "0 errors")
        await driven.press("c")
        await driven.sees("v2 is tried already")
        await driven.press("A", "ctrl+y")
        await driven.sees("✗ canary v2", "aborted just now")
    found = canaries.standing(shed, "delays")
    assert found is not None and found.verdict == "aborted"


async def test_a_shadow_and_a_split_are_begun_and_reported_by_keys_of_their_own(shed: Shed) -> None:
    folder, version = endpoint_of(shed)
    answered(folder, version, RECORD)
    version_of(shed, 0.1, alias="candidate")
    async with driving(shed, size=(120, 40)) as driven:
        await in_serving(driven)
        await driven.press("r")
        await driven.sees("Only a shadow or an A/B split has a report")
        await driven.press("s")
        await driven.sees("ask another version beside", "trainshed endpoints shadow start delays")
        await driven.press("enter")
        await driven.sees("● shadow v2", "100 %")
        await driven.press("b")
        await driven.sees("v2 is tried already")
        await driven.press("A", "ctrl+y")
        await driven.sees("‖ shadow v2")
        await driven.press("b")
        await driven.sees("split the requests")
        await driven.press("end")
        await driven.type(" 30")
        await driven.press("enter")
        await driven.sees("● A/B split v2", "30 %")
        await driven.press("r")
        await driven.sees("delays: A/B split", "share the requests", "Too few requests with a truth")


def test_the_report_of_a_shadow_tells_where_it_says_something_else() -> None:
    whole = Changed("", "", 200, 30, 12, 8, 0.04, None, None)
    of_carrier = replace(whole, column="carrier", value="U|A")
    told = shadow_told(Replay("delays", "delays", {1: 200}, 2, 200, 0, "", whole, [of_carrier], []))
    assert "**30** of 200 rows" in told and "12 right only in the shadow, 8 only in production" in told
    assert "| carrier | U\\|A | 200 | 30 |" in told


def test_what_is_tried_is_a_version_with_a_share_of_the_requests() -> None:
    assert asked("candidate") == ("candidate", {})
    assert asked("v7 20 %") == asked("v7 20%") == ("v7", {"percent": 20.0})
    assert asked("v7 key=carrier 2.5") == ("v7", {"key": "carrier", "percent": 2.5})
    with pytest.raises(UsageError, match="soon"):
        asked("v7 soon")


async def test_m_is_the_monitor_of_the_last_hour_day_or_week(shed: Shed) -> None:
    folder, version = endpoint_of(shed)
    answered(folder, version, RECORD)
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.press("m")
        await driven.sees("delays · monitor", "the last day · 1 prediction", "requests", "drift needs")
        await driven.press("w")
        await driven.sees("the last week")


def test_drift_is_ranked_with_how_far_each_column_moved() -> None:
    moved = ColumnDrift("carrier", psi=0.31, js=0.2, distance=None, p=1e-9, nulls=(0.0, 0.2), means=None)
    still = ColumnDrift("day", psi=0.01, js=0.0, distance=0.01, p=0.9, nulls=(0.0, 0.0), means=(2.0, 2.0))
    told = drift_told([ColumnHarm(moved, 0.1, 0.2), ColumnHarm(still, None, 0.0)], 120)
    first, second = ("".join(part.text for part in line) for line in told)
    assert "carrier" in first and "psi  0.31" in first and "nulls 0.0% → 20.0%" in first
    assert "no more than chance moves it" in second


async def test_who_asked_what_is_a_key_away_and_grows(shed: Shed) -> None:
    folder, _ = endpoint_of(shed)
    log = AccessLog(folder, 0, 1 << 20, Figures(folder / "worker-0.figures"))
    try:
        log.add(Access(time.time(), "127.0.0.1", "POST", "/predict", 200, 213, 1.4, "3f0c", "app"))
        async with driving(shed, size=(120, 40)) as driven:
            await in_serving(driven)
            await driven.press("O")
            await driven.sees("delays · requests", "200", "1.4", "POST /predict", "app", "213 B", "3f0c")
            log.add(Access(time.time(), "10.0.0.9", "POST", "/predict", 401, 104, 0.1))
            await driven.sees("the newest 2, 1 of them turned away or failed", "10.0.0.9")
            assert driven.text.index("10.0.0.9") < driven.text.index("3f0c")
    finally:
        log.close()


async def test_its_log_and_a_request_to_try_are_a_key_away(shed: Shed) -> None:
    folder, version = endpoint_of(shed)
    answered(folder, version, RECORD)
    (folder / "log.txt").write_text("delays v1 serves\n")
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.press("y")
        assert driven.app.clipboard.startswith("curl http://127.0.0.1:8123/predict")
        assert '"carrier": "UA"' in driven.app.clipboard
        await driven.press("o")
        await driven.sees("delays · log", "delays v1 serves")


async def test_tokens_are_made_told_once_and_revoked(shed: Shed) -> None:
    endpoint_of(shed)
    async with driving(shed) as driven:
        await in_serving(driven)
        await driven.press("T")
        await driven.sees("Nobody has a token")
        await driven.press("n")
        await driven.type("app")
        await driven.press("enter", "enter")
        await driven.sees("Told only now", "ts_")
        await driven.press("y", "escape")
        assert driven.app.clipboard.startswith("ts_")
        await driven.until(lambda: [token.name for token in endpoints.list_tokens(shed, "delays")] == ["app"])
        await driven.press("x", "y")
        await driven.until(lambda: not endpoints.list_tokens(shed, "delays"))
