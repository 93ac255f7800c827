"""Models: the evidence, and the keys that move production."""

from __future__ import annotations

import re

from runners.actions import models
from screens.dialogs import Agreeing
from screens.ink import Span
from screens.page import Page
from storage.read import models as read_models
from storage.shed import Shed
from tests.scenes import model_version_of, run_of
from tests.screens.driving import Driven, driving


def production(shed: Shed) -> int | None:
    return read_models.row(shed, "flight-delay").aliases.get("production")


async def in_models(driven: Driven) -> None:
    await driven.press("5")


async def test_versions_stand_with_their_aliases_and_the_evidence_beside_them(shed: Shed) -> None:
    model_version_of(shed, run_of(shed), auroc=0.72)
    async with driving(shed, size=(120, 30)) as driven:
        await in_models(driven)
        await driven.sees("flight-delay", "v1", "auroc 0.72, at least 0.6", "made by", "waits for your approval: a")


async def test_p_and_a_second_key_move_production(shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.pilot.press("p")
        await driven.sees("becomes the first version in production")
        await driven.press("ctrl+y")
        await driven.until(lambda: production(shed) == 1)
        await driven.sees("production of flight-delay is v1 now")


async def test_past_a_gate_that_refused_only_with_a_reason(shed: Shed) -> None:
    model_version_of(shed, run_of(shed), passed=False)
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.pilot.press("p")
        await driven.sees("The gate refused it.")
        await driven.pilot.press("ctrl+y")
        await driven.sees("A reason is needed")
        assert production(shed) is None and isinstance(driven.app.screen, Agreeing)
        await driven.type("it is urgent")
        await driven.press("ctrl+y")
        await driven.until(lambda: production(shed) == 1)
    decision = read_models.history(shed, "flight-delay")[-1]
    assert (decision.kind, decision.reason) == ("override", "it is urgent")


async def test_evidence_of_any_length_leaves_the_reason_and_the_keys_in_view(shed: Shed) -> None:
    rules = [[Span(f"what rule {number} found")] for number in range(40)]
    async with driving(shed, size=(80, 24)) as driven:
        driven.app.push_screen(Agreeing("promote flight-delay v3", rules, verb="v3 to production", reason="why"))
        await driven.sees("what rule 0 found", "why", "ctrl+y v3 to production")
        await driven.pilot.press("pagedown", "down", "down", "down")
        await driven.sees("what rule 39 found", "why", "ctrl+y v3 to production")
        await driven.pilot.press("pageup", "up", "up", "up")
        await driven.sees("what rule 0 found")


async def test_only_the_version_that_a_rollback_goes_back_to_is_called_previous(shed: Shed) -> None:
    for bias in (1.0, 2.0, 3.0):
        version = model_version_of(shed, run_of(shed), bias=bias)
        models.promote(shed, "flight-delay", f"v{version.number}")
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.until(lambda: re.search(r"v3 +production.*v2 +previous.*v1 +replaced", driven.text, re.DOTALL))


async def test_b_rolls_back_and_esc_leaves_things_as_they_are(shed: Shed) -> None:
    for bias in (1.0, 2.0):
        model_version_of(shed, run_of(shed), bias=bias)
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.press("b")
        await driven.sees("There is no version before to go back to.")
        await driven.press("j", "p", "ctrl+y")
        await driven.until(lambda: production(shed) == 1)
        await driven.press("k", "p", "ctrl+y")
        await driven.until(lambda: production(shed) == 2)
        await driven.settled()
        await driven.press("b", "escape")
        assert production(shed) == 2
        await driven.press("b", "ctrl+y")
        await driven.until(lambda: production(shed) == 1)


async def test_what_another_person_promotes_is_seen(shed: Shed) -> None:
    from runners.actions import models

    model_version_of(shed, run_of(shed))
    async with driving(shed) as driven:
        await in_models(driven)
        models.promote(shed, "flight-delay", "v1")
        await driven.sees("production")


async def test_the_card_is_a_page(shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.press("c")
        await driven.sees("card of flight-delay v1")
        assert isinstance(driven.app.screen, Page)
        await driven.press("escape", "r")
        await driven.sees("charts")


async def test_without_models_the_screen_teaches(shed: Shed) -> None:
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.sees("No models yet.", "trainshed --batch")
        await driven.press("p")
        await driven.sees("There is no model version yet.")


async def test_a_version_that_passed_and_waits_is_approved(shed: Shed) -> None:
    model_version_of(shed, run_of(shed))
    async with driving(shed) as driven:
        await in_models(driven)
        await driven.sees("waiting")
        await driven.pilot.press("a")
        await driven.sees("approve flight-delay v1")
        await driven.press("ctrl+y")
        await driven.until(lambda: production(shed) == 1)
    assert read_models.history(shed, "flight-delay")[-1].kind == "approve"
