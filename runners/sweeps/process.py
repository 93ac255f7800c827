"""The process that carries a sweep out: one for each sweep that runs, held by a lock, forked by its user's agent.

It draws params with optuna, whose arithmetic may start threads and take its time: the agent, which forks, does neither.
Like a run's supervisor it outlives the agent, and brings up a new one where the agent was killed.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runners.agency import requests, starting
from runners.agency.home import Home
from runners.agency.requests import Request
from runners.supervision import processes
from runners.sweeps.frozen import Orders
from storage.durable import write_whole
from storage.errors import RunFailed, ShedError, TrainshedError
from storage.read import sweeps as read_sweeps
from storage.read.changes import Changes
from storage.shed import Shed, open_shed
from storage.tables import Sweep
from storage.write import sweeps as write_sweeps

if TYPE_CHECKING:
    from runners.sweeps.advancing import Advance

IDENTITY = "process.json"  # in the sweep's directory: which process carries it out, or did last
LOOK_S = 0.25
FULL_LOOK_S = 5.0
REVIVE_S = 2.0
PATIENCE_S, MOST_TRIES = 5.0, 60  # a disk that is full now may not be soon


def lives(shed: Shed, sweep_id: int) -> bool:
    """Whether some process carries this sweep out."""
    with shed.lock(_lock(sweep_id), wait=False) as free:
        return not free


def carry_out(shed_root: Path, sweep_id: int) -> None:
    """Carry a sweep on to its end, from wherever an earlier process left it; nothing where another one does."""
    shed = open_shed(shed_root, create=False)
    with shed.lock(_lock(sweep_id), wait=False) as mine:
        if not mine:
            return
        me = json.dumps(processes.identify_self().to_json()).encode()
        write_whole(shed.make_dir(shed.sweep_dir(sweep_id)) / IDENTITY, me)
        tries = 0
        try:
            while (sweep := read_sweeps.sweep(shed, sweep_id)).status == "running":
                try:
                    _carry_on(shed, sweep)
                except (ShedError, OSError) as err:
                    tries += 1
                    if tries > MOST_TRIES:
                        raise
                    _tell(sweep_id, f"{err}; it tries again in {PATIENCE_S:g} s")
                    time.sleep(PATIENCE_S)
        except Exception as err:
            why = str(err) if isinstance(err, TrainshedError) else f"this is a bug in trainshed: {err!r}"
            write_sweeps.finish(shed, sweep_id, "failed", why)
            raise


def _carry_on(shed: Shed, sweep: Sweep) -> None:
    """Carry it out until it ends, or was resumed with other orders."""
    from runners.sweeps.advancing import Advance

    orders = Orders.of(sweep)
    request = _request(shed, sweep, orders)
    advance = Advance(shed, sweep, orders, request, partial(_tell, sweep.id or 0))
    try:
        _look_again_and_again(shed, advance)
    finally:
        advance.close()


def _request(shed: Shed, sweep: Sweep, orders: Orders) -> Request:
    """What the user asked for. Raises RunFailed when that is not what the sweep's row says."""
    todo = f"`trainshed sweep resume {sweep.id}` asks for it again"
    try:
        request = requests.find(Home(shed), orders.request)
    except RunFailed as err:
        raise RunFailed(err.message, place=err.place, todo=todo) from err
    if request.identity != orders.identity:
        raise RunFailed("its row is not what was asked for", todo=todo)
    return request


def _look_again_and_again(shed: Shed, advance: Advance) -> None:
    changes = Changes(shed)
    try:
        seen, look_at, revive_at = None, 0.0, time.monotonic() + REVIVE_S
        while True:
            now = time.monotonic()
            found = (changes.version(), advance.logged())
            if found != seen or now >= look_at:
                seen, look_at = found, now + FULL_LOOK_S
                if not advance.tick():
                    return
            if now >= revive_at:
                revive_at = now + REVIVE_S
                with suppress(TrainshedError, OSError):
                    starting.revive(shed)
            time.sleep(LOOK_S)
    finally:
        changes.close()


def _tell(sweep_id: int, text: str) -> None:
    """A line in the agent's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), f"sweep {sweep_id}: {text}", flush=True)


def _lock(sweep_id: int) -> str:
    return f"sweep-{sweep_id}"
