"""`python -m sample_project.story`: plays the loop from nothing, and tells at the end what it was worth."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sample_project.story import arriving, ending, months
from sample_project.story.ending import Month
from sample_project.story.terminal import Terminal, say

MODEL = "flight-delay"
MONTHS = (9, 10, 11, 12)
DAMAGED = 10  # in this month the first copy of the file goes wrong
ASKED_BEFORE = 200  # requests of a month, at least, before its files arrive
PATIENCE_S = 240.0
ENDS = (0, 1, 3, 4)  # of a run: done, failed, stopped by its checks, refused by the gate

Found = TypeVar("Found")


class Story:
    """A project and a shed in `folder`, an endpoint and its client."""

    def __init__(self, folder: Path, given: list[int], sets: list[str]) -> None:
        self.folder = folder
        self.project = folder / "flights"
        self.rows = folder / "rows"
        self.terminal = Terminal(folder / "shed")
        self.given = given
        self.sets = sets

    def play(self) -> list[Month]:
        self._set_up()
        told = []
        with self._serving() as rate_told:
            self.terminal.type("triggers", "add", "-p", self.project)
            for month in self.given:
                told.append(self._live_through(month))
                say(f"  so far: {rate_told()}", style="2")
        return told

    def _set_up(self) -> None:
        """A project with the files up to August, its first model, and what the client will ask."""
        say(f"\nJanuary to August 2013: a first model, in {self.folder}", style="1")
        ignore = shutil.ignore_patterns("drops", "story", "__pycache__")
        shutil.copytree(months.SAMPLE, self.project, ignore=ignore)
        path = self.project / "trainshed.toml"
        path.write_text(arriving.hurried(path.read_text(), self.sets))
        self.rows.mkdir()
        months.write_rows(self.given, self.rows)
        began = time.monotonic()
        ended = self.terminal.type("--batch", "-p", self.project)[-1]
        say(f"  {ended['model']}: {ended['reason']}, after {time.monotonic() - began:.0f} s")

    @contextmanager
    def _serving(self) -> Iterator[Callable[[], str]]:
        """The endpoint and the client, while the months go by; nothing of it stays."""
        started = self.terminal.type("endpoints", "start", MODEL, "-p", self.project)[-1]
        say(f"  v{started['version']} serves at {started['url']}")
        self._turn_to(self.given[0])
        client = subprocess.Popen(
            [sys.executable, "-m", "sample_project.story.client", started["url"], str(self.rows), "40"],
            env={**os.environ, "STORY_TOKEN": started["token"]},
            cwd=Path(__file__).parents[2],
        )
        try:
            yield lambda: ending.load_told(self._client())
        finally:
            client.terminate()
            client.wait(30)
            for words in (["endpoints", "stop", MODEL], ["agent", "stop"]):
                self.terminal.type(*words, quietly=True)

    def _live_through(self, month: int) -> Month:
        """The client asks for the month's flights; then its files come, and the loop does what it does."""
        say(f"\n{months.name(month)}", style="1")
        self._turn_to(month)
        self._until(lambda: self._client()["month"] == str(month) and self._client()["of_month"] >= ASKED_BEFORE)
        for line in self._drift():
            say(f"  drift: {line}")
        serves = int(self.terminal.type("endpoints", "status", MODEL, quietly=True)[-1]["version"])
        frozen = months.auroc(self.terminal, f"{MODEL}@v1", self.rows, month)
        loop = frozen if serves == 1 else months.auroc(self.terminal, f"{MODEL}@v{serves}", self.rows, month)
        if month == DAMAGED:
            arriving.damaged(self.project, month)
            stopped = self._fired("stop")
            say(f"  quarantined: {stopped['why']}")
        self._carry_through(arriving.arrive(self.project, month))
        return Month(month, frozen, serves, loop)

    def _carry_through(self, closed_at: float) -> None:
        """Follow what the new-data trigger does with the files, to its end."""
        firing = self._fired("retrain", closed_at)
        say(f"  noticed {firing['at'] - closed_at:.1f} s after the file was closed: {firing['why']}")
        followed = self.terminal.type("runs", "follow", str(firing["run"]), quietly=True, expected=ENDS)
        for line in followed:
            if line["event"] == "stage" and line["status"] == "done" and line.get("text"):
                say(f"    {line['stage']}: {line['text']}", style="2")
        ended = self._until(lambda: self._firing(lambda each: each["firing"] == firing["firing"] and each["outcome"]))
        say(f"  {ended['outcome']}")

    def _fired(self, decision: str, since: float = 0.0) -> dict[str, Any]:
        def wanted(firing: dict[str, Any]) -> Any:
            ready = decision != "retrain" or firing["run"]
            return firing["decision"] == decision and firing["at"] >= since and ready

        return self._until(lambda: self._firing(wanted))

    def _firing(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any] | None:
        lines = self.terminal.type("triggers", "history", "new-data", "-p", self.project, quietly=True)
        return next((line for line in lines if line["event"] == "firing" and wanted(line)), None)

    def _drift(self) -> list[str]:
        """What the drift trigger says of what the endpoint is asked now."""
        found = self.terminal.type("triggers", "test", "drift", "-p", self.project)[-1]
        lines: list[str] = found["lines"]
        return lines[:1]

    def _turn_to(self, month: int) -> None:
        fresh = self.rows / ".month"
        fresh.write_text(str(month))
        fresh.replace(self.rows / "month")

    def _client(self) -> dict[str, Any]:
        path = self.rows / "client.json"
        facts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"month": "", "of_month": 0}
        return facts

    def _until(self, condition: Callable[[], Found]) -> Found:
        deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing came of it within {PATIENCE_S:g} s; what lies in {self.folder} tells more")
            pause.wait(0.7)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="story", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".story"), help="Where it is played; removed first.")
    parser.add_argument("--month", type=int, action="append", choices=MONTHS, help="Only this one, in order.")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="A param of the training.")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing stays that serves or watches
    began = time.monotonic()
    folder = given.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    story = Story(folder, given.month or list(MONTHS), given.set)
    told = story.play()
    facts = json.loads((story.rows / "client.json").read_text())
    ending.tell(story.terminal, folder, told, facts, time.monotonic() - began)
    return 1 if facts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
