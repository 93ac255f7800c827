"""The supervisor of an endpoint: `python -m runners.serving.process`, one for each, in a session of its own.

It holds the socket, keeps the workers alive, follows the alias and tries each new version before it serves. The workers
go on without it, and bring up another.
"""

from __future__ import annotations

import argparse
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from runners.agency import starting
from runners.serving import alarms, following, ports, standing
from runners.serving.crew import Crew
from runners.serving.second import Second
from runners.serving.session import Version
from runners.serving.standing import Standing
from runners.supervision import processes
from runners.supervision.processes import Identity
from storage.errors import TrainshedError
from storage.read import endpoints as read_endpoints
from storage.serve_section import of_endpoint
from storage.shed import Shed, open_shed
from storage.tables import Endpoint
from storage.write import endpoints as write_endpoints

LOOK_S = 0.1
TIDY_S = 60.0
DRAIN_S = 12.0
TAKING_OVER_S = 3.0
AGENT_S = 15.0

Tell = Callable[[str], None]


class Supervisor:
    """The loop. `tried` are versions that passed their trial, `refused` those that did not, until the alias moves."""

    def __init__(self, shed: Shed, endpoint: Endpoint, listener: socket.socket, tell: Tell, *, log: Any, stays: bool):
        self.shed = shed
        self.endpoint = endpoint
        self.listener = listener
        self.tell = tell
        self.log = log
        self.foreground = not stays
        self.folder = shed.endpoint_dir(endpoint.name)
        self.rules = of_endpoint(endpoint.name, endpoint.settings)
        self.alias = following.Alias(shed, endpoint.model, endpoint.alias)
        revive = str(shed.root) if stays else ""
        self.crew = Crew(endpoint.name, self.folder, self.rules, listener, log, revive=revive)
        before = standing.read(self.folder)
        self.orphans = [worker.process for worker in before.workers] if before else []
        self.last_good = Version(**before.serving) if before and before.serving else None
        self.standing = Standing(endpoint.name, listener.getsockname()[1])
        self.standing.supervisor = processes.identify_self().to_json()
        self.tried: dict[str, Version] = {}
        self.refused: dict[str, str] = {}
        self.second = Second(shed, endpoint, self.crew, self.tried, tell, log)
        self.trial: following.Trial | None = None
        self.serving: Version | None = None
        self.stopping = False
        self.agent_at = time.monotonic() + AGENT_S
        self.tidy_at = 0.0
        self.tidying: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._write()
        supervisor = {**self.standing.supervisor, "foreground": self.foreground}
        write_endpoints.supervised_by(self.shed, self.endpoint.name, supervisor)
        try:
            while not self.stopping:
                try:
                    self._turn()
                except TrainshedError as err:
                    self._trouble(str(err))
                self._wait()
        finally:
            self.standing.state = "stopping"
            self._write()
            if self.trial is not None:
                self.trial.end()
            self.second.close()
            self.listener.close()  # who comes now is refused at once, and does not wait for nobody
            self.crew.stop(DRAIN_S)
            self._tidy(wait=True)
            self.standing.state, self.standing.workers = "stopped", []
            self._write()

    def _turn(self) -> None:
        for line in self.crew.reap():
            self.tell(line)
            self._write()
        self._follow()
        if self.trial is not None and (found := self.trial.verdict()) is not None:
            self._judged(self.trial.version, *found)
        if self.serving is not None:
            self.crew.fill(self.serving)
            self.second.turn(self.alias.wanted())
        for said in self.crew.listen():
            if said.beside:
                self.second.heard(said)
            else:
                self._heard(said.digest, said.refused)
        if time.monotonic() >= self.tidy_at:
            self._tidy(wait=False)
        if time.monotonic() >= self.agent_at:
            self.agent_at = time.monotonic() + AGENT_S
            with suppress(OSError):
                starting.revive(self.shed)  # it sends the alerts, and brings this endpoint back

    def _follow(self) -> None:
        """Try the version that the alias names, unless it serves, is being tried, or was refused."""
        wanted = self.alias.wanted()
        if wanted is None:
            if self.serving is None:
                self._trouble(f'no version of {self.endpoint.model} is "{self.endpoint.alias}"')
            return
        if self.trial is not None and self.trial.version.digest != wanted.digest:
            self.trial.end()
            self.trial = None
        if self.serving is not None and wanted.digest == self.serving.digest:
            if self.refused:
                self.refused.clear()
                self._trouble("")
            return
        if self.trial is not None or wanted.digest in self.refused:
            return
        if wanted.digest in self.tried:
            self._use(self.tried[wanted.digest])
            return
        version, rows = following.described(self.shed, self.endpoint.model, wanted)
        self.trial = following.Trial.begin(version, rows, self.rules, self.log)

    def _judged(self, version: Version, passed: Version | None, why: str) -> None:
        self.trial = None
        if passed is not None:
            self.tried[passed.digest] = passed
            self._use(passed)
            return
        self._refuse(version.digest, f"v{version.number} is not taken: {why}")
        if self.serving is None and self.last_good is not None and self.last_good.digest != version.digest:
            self._use(self.last_good)

    def _use(self, version: Version) -> None:
        before = f"v{self.serving.number}" if self.serving is not None else None
        self.serving = version
        self.standing.serving, self.standing.serving_since = version.to_json(), time.time()
        self.standing.swaps += before is not None
        self.crew.tell(version)
        self.tell(f"v{version.number} serves" + (f" instead of {before}" if before else ""))
        facts = {"version": version.number, "digest": version.digest, "before": before}
        write_endpoints.note(self.shed, self.endpoint.name, "version serves", **facts)
        wanted = self.alias.wanted()
        if wanted is not None and wanted.digest == version.digest:
            self.refused.clear()
            self.standing.trouble = ""
        self._write()

    def _refuse(self, digest: str, why: str) -> None:
        self.refused = {digest: why}
        self._trouble(why)
        write_endpoints.note(self.shed, self.endpoint.name, "version not taken", digest=digest, reason=why)
        before = self.serving if self.serving is not None and self.serving.digest != digest else self.last_good
        serves = f"v{before.number} serves on" if before is not None else "nothing serves"
        alarms.raised(self.shed, self.endpoint, f"{digest} not taken", "critical", why, serves)

    def _heard(self, digest: str, refused: str) -> None:
        """A worker took a version, or could not: then all go back to the one before."""
        if refused and self.serving is not None and digest == self.serving.digest and digest not in self.refused:
            self._refuse(digest, f"v{self.serving.number} is not taken: {refused}")
            self.tried.pop(digest, None)
            if self.last_good is not None and self.last_good.digest != digest:
                self._use(self.last_good)
        if not refused and self.serving is not None and digest == self.serving.digest:
            self.last_good = self.serving
            if all(place.digest == digest for place in self.crew.places):
                self.standing.state = "serving"
                self._end_orphans()
        self._write()

    def _end_orphans(self) -> None:
        for process in self.orphans:
            with suppress(KeyError, TypeError, ValueError):
                processes.signal(Identity.from_json(process), signal.SIGTERM)
        self.orphans = []

    def _trouble(self, why: str) -> None:
        if why == self.standing.trouble:
            return
        self.standing.trouble = why
        if why:
            self.tell(why)
            if self.serving is None:
                self.standing.state = "failing"
        self._write()

    def _write(self) -> None:
        self.standing.workers = self.crew.standing()
        try:
            self.standing.write(self.folder)
        except OSError as err:  # a full disk: what serves goes on
            self.tell(f"the standing cannot be written: {err.strerror}")

    def _tidy(self, *, wait: bool) -> None:
        """Have what the log has closed made into Parquet, and what is too old removed; in a process of its own."""
        self.tidy_at = time.monotonic() + TIDY_S
        if self.tidying is not None and self.tidying.poll() is None and not wait:
            return
        self.tidying = subprocess.Popen(
            [
                sys.executable, "-m", "runners.serving.tidying", "--folder", str(self.folder / "log"),
                "--rules", self.rules.log.model_dump_json(),
            ],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True, cwd="/",
        )  # fmt: skip
        if wait:
            with suppress(subprocess.TimeoutExpired):
                self.tidying.wait(DRAIN_S)

    def _wait(self) -> None:
        select.select(self.crew.controls(), [], [], LOOK_S)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True


def told(text: str) -> None:
    """A line in the endpoint's own log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def main() -> int:
    """Look after an endpoint that is wanted, unless somebody does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shed", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--listen", type=int, help="a listening socket that is inherited")
    given = parser.parse_args()
    shed = open_shed(given.shed, create=False)
    deadline = time.monotonic() + TAKING_OVER_S
    while True:
        with shed.lock(standing.lock_name(given.name), wait=False) as mine:
            if mine:
                return _supervise(shed, given.name, given.listen)
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.05)


def _supervise(shed: Shed, name: str, fd: int | None) -> int:
    endpoint = read_endpoints.named(shed, name)
    if endpoint.wanted != "running":
        return 0
    try:
        address = of_endpoint(endpoint.name, endpoint.settings).address
        listener = socket.socket(fileno=fd) if fd is not None else ports.listen(endpoint.port, address)
    except TrainshedError as err:
        told(str(err))
        alarms.raised(shed, endpoint, "does not start", "critical", f"does not start: {err.message}", err.todo)
        return err.exit_code
    Supervisor(shed, endpoint, listener, told, log=None, stays=True).run()
    told("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
