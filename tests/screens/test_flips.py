"""The flip browser: which rows change their answer, before one signs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from screens.flips import FlipsPage
from screens.models import Models
from storage.read import models as read_models
from storage.shed import Shed
from tests.rivals import LATE, ROWS, hold_out, rival, rivals, serve
from tests.scenes import run_of
from tests.screens.driving import Driven, driving


async def in_flips(driven: Driven) -> None:
    await driven.press("5", "f")
    await driven.until(lambda: isinstance(driven.app.screen, FlipsPage))
    await driven.settled()


async def test_f_shows_the_rows_that_change_with_both_answers_and_the_truth(shed: Shed) -> None:
    rivals(shed)
    async with driving(shed, size=(120, 30)) as driven:
        await in_flips(driven)
        await driven.sees("1 of 6 test rows flip (17 %)", "1 right now", "false 0.550", "true 0.599", "✓ true", "800")
        await driven.sees("airport", "EWR")
        await driven.press("enter")
        await driven.sees("row 1 of the test rows", "carrier", "B6")


async def test_while_both_models_answer_it_says_how_far_they_are(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    rivals(shed)
    began, counted, answer = threading.Event(), threading.Event(), FlipsPage.answer

    def slow(page: FlipsPage, shed: Shed, question: Any) -> Any:
        began.wait()
        page._goes_on(3, 6)
        counted.wait()
        return answer(page, shed, question)

    monkeypatch.setattr(FlipsPage, "answer", slow)
    async with driving(shed) as driven:
        await driven.press("5")
        await driven.pilot.press("f")
        await driven.sees("counting…", "finding the rows")
        began.set()
        await driven.sees("━─", "3 of 6 rows", "both models answer every row again")
        counted.set()
        await driven.sees("1 of 6 test rows flip")
        assert "counting" not in driven.text


async def test_a_slice_and_a_choice_narrow_them_and_esc_shows_all_again(shed: Shed) -> None:
    rivals(shed)
    run = run_of(shed, "delays", spec={"gate": {"slices": ["airport"]}})
    hold_out(shed, run, ROWS, LATE)
    rival(shed, run, bias=-9.0)
    async with driving(shed, size=(80, 24)) as driven:
        await in_flips(driven)
        await driven.sees("3 of 6 test rows flip")
        await driven.press("w")
        await driven.sees("right now · 1 ·")
        await driven.press("w")
        await driven.sees("wrong now · 2 ·")
        await driven.press("tab")
        await driven.sees("all rows", "JFK")  # one pane at a time
        await driven.press("j", "enter")
        await driven.sees("airport = JFK · wrong now · 1 ·")
        await driven.press("escape")
        await driven.until(lambda: "JFK ·" not in driven.text)
        await driven.press("escape")
        assert isinstance(driven.app.screen, Models)


async def test_they_are_sorted_and_turned_round(shed: Shed) -> None:
    rivals(shed)
    async with driving(shed, size=(120, 30)) as driven:
        await in_flips(driven)
        await driven.sees("by change ▼")
        await driven.press("comma")
        await driven.sees("by production's answer ▼")
        await driven.press("full_stop")
        await driven.sees("by production's answer ▲")


async def test_one_signs_where_one_has_looked(shed: Shed) -> None:
    rivals(shed)
    async with driving(shed, size=(120, 30)) as driven:
        await in_flips(driven)
        await driven.pilot.press("p")
        await driven.sees("No gate has judged it.")
        await driven.type("looked at every row")
        await driven.press("ctrl+y")
        await driven.until(lambda: read_models.row(shed, "delays").aliases["production"] == 2)


async def test_without_a_rival_f_says_why_not(shed: Shed) -> None:
    rival(shed, run_of(shed, "delays"), bias=0.0)
    async with driving(shed) as driven:
        await driven.press("5", "f")
        await driven.sees("Nothing is in production yet")


async def test_l_asks_what_the_endpoint_was_asked(shed: Shed) -> None:
    first, _ = rivals(shed)
    async with driving(shed, size=(120, 30)) as driven:
        await in_flips(driven)
        await driven.press("l")
        await driven.sees("No endpoint of this model has been asked anything.")
        serve(shed, first, [{"distance": 800.0, "carrier": "B6", "day": 0}] * 3, {})
        page = driven.app.screen
        assert isinstance(page, FlipsPage)
        await driven.until(lambda: page._found is not None and page._found.endpoint)
        await driven.press("l")
        await driven.sees("3 of 3 logged rows of delays flip (100 %)")
        await driven.press("l")
        await driven.sees("1 of 6 test rows flip")
