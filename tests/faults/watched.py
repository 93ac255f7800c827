"""A new-data trigger made to look by hand, by a clock of the test's own: real files, no process, no waiting."""

from __future__ import annotations

import os
from pathlib import Path

from runners.agency.home import Home
from runners.opening import manifest_of
from runners.triggers import new_data, orders
from runners.triggers.new_data import NewData
from runners.triggers.orders import Orders
from runners.triggers.watching import RESCAN_S
from storage.project import load_project
from storage.read import datasets as read_datasets
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Firing
from storage.write import triggers as write_triggers

QUIET_S = 0.4
NOTIFY = f'[[trigger]]\non = "new-data"\nquiet_seconds = {QUIET_S}\nmost_a_day = 1000\ndo = "notify"\n'


class Watched:
    """A trigger of a project; `now` is the time, in seconds of the clock that it goes by."""

    def __init__(self, shed: Shed, project: Path) -> None:
        path = project / "trainshed.toml"
        path.write_text(path.read_text() + NOTIFY)
        spec = load_project(project)
        self.shed, self.now = shed, 1000.0
        given = Orders(project, spec.trigger[0], dict(os.environ))
        self.trigger, _ = write_triggers.register(
            shed, name="new-data", project=spec.project.name, project_dir=str(project), kind="new-data",
            spec=orders.said(given.spec), request=orders.keep(Home(shed), given),
        )  # fmt: skip
        new_data.baseline(shed, self.trigger, given, spec)
        self.source = NewData(shed, self.trigger, given, lambda: None, steady=lambda: self.now)
        self.look()

    def look(self, later_s: float = 0.0) -> None:
        """Let time go by, and have it look."""
        self.now += later_s
        self.source.hint()  # the kernel's own comes when it comes, by another clock
        self.source.look(self.now)

    def settle(self) -> None:
        """It looks, and again once the quiet time is over."""
        self.look()
        self.look(2 * QUIET_S)

    def rescan(self) -> None:
        """No hint comes: the next scan that is due anyhow, and what has settled then."""
        for later_s in (RESCAN_S, 2 * QUIET_S):
            self.now += later_s
            self.source.look(self.now)

    @property
    def note(self) -> str:
        return read_triggers.trigger(self.shed, self.trigger.id or 0).note

    @property
    def firings(self) -> list[Firing]:
        """The oldest first, without the beginning."""
        rows = read_triggers.history(self.shed, limit=1000)
        return [row.firing for row in reversed(rows) if row.firing.decision != "begin"]

    @property
    def whys(self) -> list[str]:
        return [firing.why for firing in self.firings]

    def names(self) -> set[str]:
        """The files of the version that was acted on last."""
        version = read_datasets.version_by_id(self.shed, self.firings[-1].dataset_version_id or 0)[1]
        return {Path(entry.path).name for entry in manifest_of(self.shed, version).entries()}
