"""The app as a whole: it opens, follows what others do, says what is wrong, and goes away cleanly."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from typing import Any

import pytest
from textual import events

from app.tui import Trainshed
from screens.run import RunPage
from screens.runs import Runs
from screens.threads import beside
from storage.errors import ShedError
from storage.shed import Shed
from storage.write import runs as write_runs
from tests.scenes import run_of
from tests.screens.driving import driving


async def test_q_leaves_with_0(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.pilot.press("q")
        await driven.until(lambda: not driven.app.is_running)
    assert driven.app.return_value == 0


async def test_a_page_that_is_left_while_it_is_read_is_left_quietly(
    shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read arrives when its parts are gone already and it is not."""
    parts_gone, answer = threading.Event(), RunPage.answer

    def late(page: RunPage, shed: Shed, question: Any) -> Any:
        parts_gone.wait()
        return answer(page, shed, question)

    async def wait_for_it(page: RunPage) -> None:
        parts_gone.set()
        while page._asking:
            await asyncio.sleep(0)

    monkeypatch.setattr(RunPage, "answer", late)
    monkeypatch.setattr(RunPage, "on_unmount", wait_for_it, raising=False)
    page = RunPage(run_of(shed, "first").id or 0)
    async with driving(shed) as driven:
        await driven.app.push_screen(page)
        await driven.until(lambda: page._asking)
        driven.app.pop_screen()
        await driven.until(lambda: not page.is_running)
        await driven.sees("lately")
    assert parts_gone.is_set() and page.answered == 0


async def test_what_is_committed_elsewhere_is_seen(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3")
        run = run_of(shed, "first", status="running")
        await driven.sees("first", "1 running")
        write_runs.finish(shed, run.id or 0, "done", 0, "")
        await driven.sees("✓")


async def test_nothing_is_drawn_when_nothing_changes(shed: Shed) -> None:
    run_of(shed, "first")
    async with driving(shed) as driven:
        await driven.press("3")
        driver = driven.app._driver
        assert driver is not None
        written: list[str] = []
        driver.write = written.append  # type: ignore[method-assign, assignment]
        driven.app.view.tick()
        driven.app.view.refetch()
        await driven.settled()
        for _ in range(20):
            await driven.pilot.pause()
        assert "".join(written) == ""


async def test_the_number_of_a_view_leads_back_to_it_from_its_pages(shed: Shed) -> None:
    run_of(shed, "first")
    async with driving(shed) as driven:
        await driven.press("3", "enter")
        assert isinstance(driven.app.screen, RunPage)
        await driven.press("6", "3")
        assert isinstance(driven.app.screen, RunPage)  # as it was left
        await driven.press("t", "3")
        assert isinstance(driven.app.screen, Runs)
        assert len(driven.app.screen_stack) == 1


async def test_what_is_typed_while_a_dialog_opens_stands_in_its_line(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3")
        for key, sign in (("colon", ":"), ("y", "y"), ("1", "1"), ("2", "2")):
            driven.app.post_message(events.Key(key, sign))
        await driven.sees("go to", "y12")


async def test_a_dialog_that_is_answered_twice_is_left_once(shed: Shed) -> None:
    run_of(shed, "first")
    async with driving(shed) as driven:
        await driven.press("3", "enter", "colon", *"data")
        for _ in range(3):
            driven.app.post_message(events.Key("enter", "\r"))
        await driven.until(lambda: driven.app.current_mode == "data")
        await driven.press("3")
        assert isinstance(driven.app.screen, RunPage)


async def test_the_palette_leads_to_what_another_view_can_do(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("ctrl+p")
        await driven.type("serve a model")
        await driven.sees("Serving: Serve a model")
        await driven.press("enter")
        await driven.sees("Nothing is served yet", "n is the key for it here")


async def test_the_palette_finds_an_action_by_its_name_and_does_it(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3")
        await driven.pilot.press("ctrl+p")
        await driven.type("theme")
        await driven.sees("Next theme")
        await driven.pilot.press("enter")
        await driven.until(lambda: driven.app.theme == "light")


async def test_help_names_the_keys_of_the_place(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3")
        await driven.pilot.press("question_mark")
        await driven.sees("in Runs", "Mark")
        await driven.pilot.press("escape")
        await driven.until(lambda: isinstance(driven.app.screen, Runs))


async def test_an_action_that_cannot_be_done_says_why(shed: Shed) -> None:
    async with driving(shed) as driven:
        await driven.press("3", "space")
        await driven.sees("There is no run to mark.")


async def test_a_shed_that_cannot_be_opened_ends_it_with_the_reason() -> None:
    def broken() -> Shed:
        raise ShedError("the shed's database is damaged")

    app = Trainshed(broken)
    async with app.run_test() as pilot:
        while app.is_running:
            await pilot.pause()
    assert app.error is not None and app.error.message == "the shed's database is damaged"
    assert app.return_value == 1


async def test_a_bug_ends_it_and_is_kept_for_the_command_line(shed: Shed) -> None:
    app = Trainshed(lambda: shed)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test() as pilot:
            app.call_later(lambda: 1 / 0)
            while app.is_running:
                await pilot.pause()
    assert isinstance(app.crash, ZeroDivisionError)


async def test_with_no_color_nothing_has_a_colour(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run_of(shed, "first", status="failed")
    async with driving(shed) as driven:
        await driven.press("3")
        await driven.sees("✗")
        styles = [
            part.style
            for strip in driven.app.screen._compositor.render_strips()
            for part in strip.apply_filter(driven.app._filters[-1], driven.app.screen.styles.background)
            if part.style
        ]
        assert all(style.color is None or style.color.is_default for style in styles)
        assert all(style.bgcolor is None or style.bgcolor.is_default for style in styles)


@pytest.mark.parametrize("args", [["--help"], ["runs", "list"]])
def test_the_command_line_does_not_wait_for_textual(shed: Shed, args: list[str]) -> None:
    call = f"run({['--shed', str(shed.root), *args]!r})"
    code = f"import sys; from app.cli import run; {call}; assert 'textual' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=shed.root)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), OSError(28, "No space left on device")])
async def test_what_the_disk_or_database_answers_is_told(error: Exception) -> None:
    def broken() -> None:
        raise error

    with pytest.raises(ShedError, match=r"disk I/O error|No space left"):
        await beside(broken)
