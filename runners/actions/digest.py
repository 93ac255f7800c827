"""The verb `digest`: what happened since somebody was last here, in a few lines, the most important first."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from storage.counted import counted
from storage.errors import TrainshedError, UsageError
from storage.read import digest as read
from storage.read.digest import Decided, Ran
from storage.shed import Shed, current_user
from storage.tables import Firing, Rollout
from storage.write import seen

Kind = Literal[
    "waiting", "failed", "taken back", "refused", "left out", "promoted", "trigger", "sweep", "done", "stopped", "data",
    "queue",
]  # fmt: skip

MOST = 9  # lines; with the heading ten
DAY = 86_400.0
UNITS = {"min": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY}
NAMED = 3  # things of a kind that are named one by one
REASON = 110  # characters of a reason

Fired = tuple[str, str, Firing]  # of a project, the trigger's name


@dataclass(frozen=True)
class Line:
    """One thing that happened, or several of a kind. `todo` is the command that goes on from there."""

    kind: Kind
    text: str
    todo: str = ""


@dataclass(frozen=True)
class Digest:
    """All that happened from `since` until `now`, the most important first. `first`: the user was never here before."""

    since: float
    now: float
    first: bool
    lines: list[Line]

    def shown(self, most: int = MOST) -> list[Line]:
        """The lines that fit; what is running and queued stays."""
        if len(self.lines) <= most:
            return self.lines
        return [*self.lines[: most - 1], self.lines[-1]]


def digest(shed: Shed, *, since: float | None = None) -> Digest:
    """What happened since `since`: by default since the user last looked, for a newcomer within a day."""
    now, me = time.time(), current_user()
    seen_at = read.seen_at(shed, me) if since is None else since
    begin = now - DAY if seen_at is None else seen_at
    ended = read.ended_since(shed, begin)
    decided = read.decisions_since(shed, begin)
    fired = read.firings_since(shed, begin)
    canaries = read.canaries_since(shed, begin)
    lines = [
        *_waiting(shed),
        *_failed([run for run in ended if run.status == "failed"], me),
        *_given_up(canaries),
        *_taken_back(decided, me),
        *_refused([run for run in ended if run.status in ("refused", "invalid")], me),
        *_left_out(fired),
        *_promoted(decided, canaries, me),
        *_triggers(fired),
        *_sweeps(shed, begin, me),
        *_several("done", [run for run in ended if run.status in ("done", "waiting")], me),
        *_several("stopped", [run for run in ended if run.status == "stopped"], me),
        *_data(shed, begin, me),
        _queue(shed, me),
    ]
    return Digest(begin, now, seen_at is None, lines)


def mark_seen(shed: Shed, found: Digest) -> None:
    """A person has seen this one: the next begins where it ends. Says nothing when the shed cannot be written."""
    try:
        seen.look(shed, found.now)
    except TrainshedError:
        return


def parsed_since(text: str, now: float | None = None) -> float:
    """The moment that `2d`, `3h`, `45min`, `1w` or `2026-03-01` means. Raises UsageError."""
    moment = time.time() if now is None else now
    span = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(min|h|d|w)", text.strip())
    if span:
        return moment - float(span[1]) * UNITS[span[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--since {text}", expected="45min, 3h, 2d, 1w, or a day such as 2026-03-01") from None


def _waiting(shed: Shed) -> Iterator[Line]:
    for model, number, _ in read.awaiting(shed):
        yield Line(
            "waiting",
            f"{model} v{number} passed the gate and waits for a person",
            f"trainshed models approve {model} v{number}",
        )
    for project, name, firing in read.asking(shed):
        text = f"{project}/{name} asks whether to retrain: {_first(firing.why)}"
        yield Line("waiting", text, f"trainshed triggers approve {firing.id}")


def _left_out(fired: Sequence[Fired]) -> Iterator[Line]:
    """Files that triggers would not take."""
    stopped = [each for each in fired if each[2].decision == "stop"]
    for project, name, firing in stopped[:NAMED]:
        yield Line("left out", f"{project}/{name}: {_first(firing.why)}", "trainshed triggers list")
    if len(stopped) > NAMED:
        yield Line("left out", f"{len(stopped) - NAMED} more files left out", "trainshed triggers history")


def _triggers(fired: Sequence[Fired]) -> Iterator[Line]:
    """What each trigger set off, by its last firing."""
    acted = [each for each in fired if each[2].decision not in ("stop", "nothing", "wait")]
    for project, name in dict.fromkeys(each[:2] for each in acted):
        its = [firing for *of, firing in acted if of == [project, name]]
        came = f" → {_first(its[0].outcome)}" if its[0].outcome else ""
        times = f" {len(its)} times, last" if len(its) > 1 else ""
        text = f"{project}/{name} fired{times}: {_first(its[0].why)}{came}"
        yield Line("trigger", text, f"trainshed triggers history {name}")


def _failed(runs: Sequence[Ran], me: str) -> Iterator[Line]:
    runs = sorted(runs, key=lambda run: run.user != me)  # one's own first; else the newest first, as they came
    for run in runs[:NAMED]:
        yield Line(
            "failed",
            f"{_named(run, me)} failed: {_first(run.reason) or 'no reason kept'}",
            f"trainshed runs show {run.id}",
        )
    if len(runs) > NAMED:
        rest = runs[NAMED:]
        yield Line(
            "failed", f"{counted(len(rest), 'more run')} failed: {_ids(rest)}", "trainshed runs list status=failed"
        )


def _given_up(canaries: Sequence[tuple[Rollout, int]]) -> Iterator[Line]:
    """Canaries that did worse, most of them noticed by nobody: they are given up by themselves."""
    for canary, number in canaries:
        if canary.status == "aborted":
            text = f"canary v{number} of {canary.endpoint} was given up: {_first(canary.reason)}"
            yield Line("taken back", text, f"trainshed endpoints canary show {canary.endpoint}")


def _taken_back(decided: Sequence[Decided], me: str) -> Iterator[Line]:
    for each in decided:
        why = f": {_first(each.reason)}" if each.reason else ""
        if each.kind == "rollback":
            text = f"{each.model} went back to v{each.version}" + (f" from v{each.previous}" if each.previous else "")
            yield Line("taken back", f"{text}{_by(each.user, me)}{why}", f"trainshed models history {each.model}")
        elif each.kind == "reject":
            text = f"{each.model} v{each.version} was rejected{_by(each.user, me)}{why}"
            yield Line("taken back", text, f"trainshed models history {each.model}")


def _refused(runs: Sequence[Ran], me: str) -> Iterator[Line]:
    for run in runs[:NAMED]:
        who = "the gate" if run.status == "refused" else "data validation"
        lines = [line.strip(" ✗") for line in run.reason.splitlines() if line.strip()]
        rules = lines[1:] or lines  # the first only says that there are some
        more = f" and {len(rules) - 1} more" if len(rules) > 1 else ""
        text = f"{_named(run, me)} was refused by {who}" + (f": {_first(rules[0])}{more}" if rules else "")
        yield Line("refused", text, f"trainshed runs show {run.id}")
    if len(runs) > NAMED:
        rest = runs[NAMED:]
        yield Line(
            "refused", f"{counted(len(rest), 'more run')} refused: {_ids(rest)}", "trainshed runs list status=refused"
        )


def _promoted(decided: Sequence[Decided], canaries: Sequence[tuple[Rollout, int]], me: str) -> Iterator[Line]:
    """The newest promotion of each model; earlier ones are counted."""
    moved = [each for each in decided if each.kind in ("promote", "approve", "override") and each.alias == "production"]
    for model in dict.fromkeys(each.model for each in moved):
        its = [each for each in moved if each.model == model]
        last = its[0]
        canary = next((each for each, number in canaries if (each.model, number) == (model, last.version)), None)
        if canary is not None and canary.status == "promoted":
            how = f", as its canary held: {_first(canary.reason)}"
        else:
            how = f", past the gate: {_first(last.reason)}" if last.kind == "override" else ""
        earlier = f", the last of {len(its)}" if len(its) > 1 else ""
        verb = "was approved and went" if last.kind == "approve" else "went"
        text = f"{model} v{last.version} {verb} to production{_by(last.user, me)}{how}{earlier}"
        yield Line("promoted", text, f"trainshed models show {model}")


def _sweeps(shed: Shed, since: float, me: str) -> Iterator[Line]:
    for sweep in read.sweeps_since(shed, since):
        untold = sweep.best_trial is not None and sweep.status != "done"  # a finished one's reason names it
        best = f", best trial {sweep.best_trial} so far" if untold else ""
        why = f": {_first(sweep.reason)}" if sweep.reason else ""
        text = f"sweep {sweep.id} {sweep.name} {sweep.status}{_by(sweep.user, me)}{best}{why}"
        yield Line("sweep", text, f"trainshed sweep show {sweep.id}")


def _several(kind: Literal["done", "stopped"], runs: Sequence[Ran], me: str) -> Iterator[Line]:
    if len(runs) == 1:
        yield Line(kind, f"{_named(runs[0], me)} {kind}", f"trainshed runs show {runs[0].id}")
    elif runs:
        mine = sum(run.user == me for run in runs)
        whose = f", {mine} of them yours" if 0 < mine < len(runs) else ", none of them yours" if not mine else ""
        yield Line(
            kind, f"{counted(len(runs), 'run')} {kind}: {_ids(runs)}{whose}", f"trainshed runs list status={kind}"
        )


def _data(shed: Shed, since: float, me: str) -> Iterator[Line]:
    """The newest version of each dataset that has a new one."""
    versions = dict(reversed([(name, version) for name, version in read.data_since(shed, since)]))
    for name, version in versions.items():
        amount = counted(version.files, "file") if version.rows is None else counted(version.rows, "row")
        todo = f"trainshed data diff {name}" if version.number > 1 else f"trainshed data show {name}"
        yield Line("data", f"{name} v{version.number}: {amount}{_by(version.created_by, me)}", todo)


def _queue(shed: Shed, me: str) -> Line:
    work = read.at_work(shed)
    running, queued = ([run for run in work if run.status == status] for status in ("running", "queued"))
    if not work:
        return Line("queue", "nothing is running, nothing is queued")
    told = [
        f"{len(runs)} {word}{_yours(runs, me)}" for runs, word in ((running, "running"), (queued, "queued")) if runs
    ]
    return Line("queue", ", ".join(told), "trainshed runs list")


def _yours(runs: Sequence[Ran], me: str) -> str:
    mine = [run for run in runs if run.user == me]
    return f" (yours: {_ids(mine)})" if mine and len(mine) < len(runs) else ""


def _named(run: Ran, me: str) -> str:
    return f"run {run.id} {run.name}" + (f" ({run.user})" if run.user != me else "")


def _by(user: str, me: str) -> str:
    return f", by {user}" if user != me else ""


def _ids(runs: Sequence[Ran]) -> str:
    return ", ".join(str(run.id) for run in runs[:5]) + (" …" if len(runs) > 5 else "")


def _first(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= REASON else line[: REASON - 1] + "…"
