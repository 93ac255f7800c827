"""`trainshed status`: what needs a person, runs, the queue, endpoints and the machine, once or as it changes."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from app.output import Output
from app.views.status import watch_status
from runners.actions.status import Status, Watcher
from runners.serving.figures import Figures
from storage.shed import Shed
from storage.write import alerts as write_alerts
from tests.app.conftest import Call
from tests.scenes import run_of
from tests.screens.serving_scene import endpoint_of
from tests.terminal import TRAINSHED, terminal


def test_everything_stands_in_one_panel_and_as_objects(shed: Shed, call: Call) -> None:
    run_of(shed, "baseline", status="running")
    endpoint_of(shed)
    write_alerts.raise_alert(shed, project="delays", key="k", severity="warning", title="carrier has shifted")
    told = call("status").out
    assert "carrier has shifted" in told and "baseline" in told and "delays v1 serving" in told and "disk" in told
    found = call("status", "--json")
    assert {line["event"] for line in found.lines} >= {"need", "run", "endpoint", "finished"}
    assert found.finished["running"] == 1 and found.finished["machine"]["cores"] >= 1


def test_watching_draws_again_only_what_changed(shed: Shed) -> None:
    folder, _ = endpoint_of(shed)
    watcher = Watcher(shed)
    looks: list[Status] = []

    def look() -> Status:
        if len(looks) == 3:
            raise KeyboardInterrupt
        if looks:
            Figures(folder / "worker-0.figures").add("answered", 40)
        found = watcher.look() if len(looks) < 2 else looks[-1]
        looks.append(found)
        return found

    stream = io.StringIO()
    began = time.monotonic()
    watch_status(Output(stdout=stream), look, every_s=0.01)
    assert time.monotonic() - began < 20
    assert "delays v1 serving" in stream.getvalue()
    assert looks[1].served[0].rate is not None and looks[1].served[0].rate.requests > 0


def test_watching_needs_a_terminal(call: Call) -> None:
    assert "--watch needs a terminal" in call("status", "--watch").err


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl+c"])
def test_the_panel_stands_under_the_prompt_and_leaves_the_terminal_as_it_was(
    shed: Shed, tmp_path: Path, key: str
) -> None:
    run_of(shed, "baseline", status="running")
    words = " ".join(f"'{word}'" for word in (*TRAINSHED, "--shed", str(shed.root), "status", "--watch"))
    script = f"trap : INT; echo earlier; {words}; stty -a; echo left with $?"
    with terminal(["sh", "-c", script], cwd=tmp_path) as opened:
        opened.until("earlier", "baseline", "disk")
        opened.type(f"typed{key}")
        opened.until("left with 0", " echo ", " icanon ")
        panel = opened.text.partition("speed")[0]  # and what stty says
        assert panel.count("╭─ trainshed") == 1 and "typed" not in panel and "^C" not in panel
        assert b"\x1b[?1049h" not in opened.sent and b"\x1b[2J" not in opened.sent
        assert opened.ended() == 0


def test_a_terminal_that_becomes_narrower_shows_the_panel_once_and_whole(shed: Shed, tmp_path: Path) -> None:
    run_of(shed, "baseline", status="running")
    words = " ".join(f"'{word}'" for word in (*TRAINSHED, "--shed", str(shed.root), "status", "--watch"))
    with terminal(["sh", "-c", f"echo earlier; {words}"], size=(100, 24), cwd=tmp_path) as opened:

        def whole(width: int) -> bool:
            """The panel alone, under what stood there; the cursor at its beginning, which no narrowing moves."""
            told = [line.rstrip() for line in opened.lines if line.strip()]
            frame = (told[0], told[1][:2], told[1][-1:], told[-1][:1], told[-1][-1:]) if len(told) > 2 else ()
            return (
                frame == ("earlier", "╭─", "╮", "╰", "╯")
                and all(len(line) == width for line in told[1:])
                and opened.cursor == (0, 1)
            )

        for width in (100, 60, 43, 90):
            opened.resize(width, 24)
            opened.until_true(lambda width=width: whole(width))  # type: ignore[misc]
        opened.type("q")
        assert opened.ended() == 0
        assert opened.cursor == (0, len([line for line in opened.lines if line.strip()]))
