"""What the app says by itself: of keys that do nothing, of what cannot be done, and no more than fits."""

from __future__ import annotations

import string

import pytest
from textual.notifications import Notification
from textual.widgets import Input

from screens import telling
from screens.acting import Acting
from screens.actions import KEYS, VIEWS
from screens.telling import in_the_way, shortened
from screens.widgets.keys import within_reach
from storage.errors import UsageError
from storage.shed import Shed
from tests.screens.driving import Driven, driving


@pytest.fixture(autouse=True)
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said stays until the test has seen it, however busy the machine is."""
    monkeypatch.setattr(telling, "REMARK_S", 3600.0)
    monkeypatch.setattr(telling, "STAYS_S", dict.fromkeys(telling.STAYS_S, 3600.0))


async def test_a_key_that_does_nothing_where_it_is_typed_says_so_in_every_view(shed: Shed) -> None:
    async with driving(shed) as driven:
        for view in VIEWS:
            await driven.press(str(view.number))
            used = {key for _, _, keys in within_reach(driven.app.screen) for key in keys.split(" ")}
            for key in [key for key in "/" + string.ascii_lowercase if key not in used][:2]:
                await driven.pilot.press(KEYS.get(key, key))
                await driven.sees(f" {key} does nothing here · ? lists the keys")
        await driven.press("ctrl+l")
        await driven.sees("? help")
        assert not driven.app.said


async def test_what_cannot_be_done_now_says_why_in_every_view(shed: Shed) -> None:
    async with driving(shed) as driven:
        for view in VIEWS:
            await driven.press(str(view.number))
            for node, action, _ in list(within_reach(driven.app.screen)):
                assert isinstance(node, Acting)
                reason = node.why_not(action.name)
                if reason:
                    driven.app.said.clear()
                    await node.act(action)
                    assert [said.text for said in driven.app.said] == [reason], action


async def test_nothing_is_said_of_what_is_typed_into_a_line(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3", "slash")
        await driven.type("zzz w/")
        await driven.until(lambda: driven.app.screen.query_one("#filter", Input).value == "zzz w/")
        assert "does nothing" not in driven.text


async def test_beside_a_dialog_it_is_said_too(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("question_mark", "z")
        await driven.sees("z does nothing here")
        assert "lists the keys" not in driven.text


async def _three_said(driven: Driven) -> None:
    driven.app.say("number one")
    driven.app.tell(UsageError("no such column. " * 20, place="toml, line 3", expected="a name", todo="mend it " * 30))
    driven.app.say("the second")
    driven.app.say("the third")
    driven.app.say("the third")
    await driven.sees("the third")


async def test_at_most_two_messages_stand_above_the_keys_and_all_are_read_again(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3")
        await _three_said(driven)
        lines = driven.lines
        assert "number one" not in driven.text and "the second" not in driven.text
        assert driven.text.count("the third") == 1
        at = next(place for place, text in enumerate(lines) if "Toml, line 3" in text)
        assert "expected: a name" in lines[at + 1] and "… M" in lines[at + 2] and "the third" in lines[at + 3]
        assert at + 3 == len(lines) - 2 and "? help" in lines[-1]
        await driven.press("M")
        await driven.sees("messages, the latest first", "just now, 2 times", "the second")
        await driven.press("G")
        await driven.sees("number one", "mend it mend it")


def test_a_message_of_three_lines_is_left_as_it_is() -> None:
    assert shortened("one\ntwo\nthree", 20) == "one\ntwo\nthree"
    assert shortened("a few words that take three lines of this width", 20).count("\n") == 0


def test_of_a_long_message_the_beginning_of_every_part_is_kept() -> None:
    told = shortened("what went wrong in many words\nexpected: this\nnext: do that, or else something more", 20)
    assert told.splitlines() == [
        "what went wrong in…",
        "expected: this",
        "next: do that, … M",
    ]


def test_a_new_message_takes_the_place_of_the_same_and_of_old_ones_errors_last() -> None:
    error, one, two = Notification("broken", severity="error"), Notification("one"), Notification("two")
    assert in_the_way([error, one], two) == [one]
    assert in_the_way([error, one], Notification("one")) == [one]
    assert in_the_way([error], one) == []
