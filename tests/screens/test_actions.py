"""The table of actions: nothing in it is dead, and no key means two things."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import screens
from screens.acting import Acting
from screens.actions import ACTIONS, PLACES, VIEWS, Action, clashes
from screens.dataset import DatasetPage
from screens.run import RunPage

# Keys that terminals, tmux, screen or habit give to something else: allowed beside another key only.
NEVER_ALONE = {"ctrl+b", "ctrl+a", "ctrl+m", "ctrl+h", "ctrl+i", "ctrl+enter"}


def _all_classes(base: type) -> Iterator[type]:
    subclasses: list[type] = base.__subclasses__()
    for each in subclasses:
        yield each
        yield from _all_classes(each)


def _who_does(action: Action) -> list[type[Acting]]:
    for module in pkgutil.walk_packages(screens.__path__, "screens."):
        importlib.import_module(module.name)
    return [each for each in _all_classes(Acting) if issubclass(each, Acting) and action.place in each.places()]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_can_be_done_where_it_belongs(action: Action) -> None:
    doers = _who_does(action)
    assert doers, f"nobody's PLACE is {action.place}"
    led_to = {"app": {view.name for view in VIEWS}}
    led_to |= {page.PLACE: {section.NAME for section in page.SECTIONS} for page in (RunPage, DatasetPage)}
    if action.name in led_to.get(action.place, set()):
        return  # it brings that view, or that part of the page, to the front
    assert all(callable(getattr(doer, f"do_{action.name}", None)) for doer in doers)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_no_action_hides_behind_a_key_that_does_not_arrive(action: Action) -> None:
    keys = {key.strip() for key in action.keys.split(",")} - {""}
    unsure = {
        key for key in keys if key in NEVER_ALONE or key.startswith("alt+") or (key[:1] == "f" and key[1:].isdigit())
    }
    assert not keys or keys - unsure


def test_no_key_does_two_things_in_one_place() -> None:
    assert clashes() == []


def test_a_keymap_that_gives_one_key_two_meanings_is_found() -> None:
    assert [(one.id, other.id) for one, other, _ in clashes({"marking.mark": "slash"})] == [
        ("marking.mark", "runs.filter")
    ]


def test_the_table_is_whole() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert {action.place for action in ACTIONS} == {place.name for place in PLACES}
    assert all(action.tells.endswith(".") and action.title == action.title.strip() for action in ACTIONS)


def test_whoever_acts_has_bindings_for_it() -> None:
    for each in _all_classes(Acting):
        place = vars(each).get("PLACE")
        if place:
            bound = {binding.id for binding in vars(each)["BINDINGS"]}
            assert bound == {action.id for action in ACTIONS if action.place == place and action.keys}, each
