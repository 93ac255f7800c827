"""The verb `reproduce`: a run done again from what it froze, and whether the same comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runners import launching
from runners.agency.foreground import own_turn
from runners.agency.home import Home
from runners.anew import Anew
from runners.comparing import again as comparing
from runners.comparing.again import Ingredient, Pair
from runners.comparing.series import Apart
from runners.freezing import environment
from runners.loop import STAGES, Finished, carry_out
from runners.opening import manifest_of
from runners.pipeline import Context, Event, Stage
from runners.stages import package, train
from runners.supervision import processes
from storage import manifests
from storage.errors import DataInvalid, RunFailed, ShedError, TrainshedError, UsageError
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from storage.tables import IMPORTED, Run
from storage.write import runs as write_runs
from storage.write.runs import NewRun

TOLERANCE = 1e-3
SHOWN = 5


@dataclass(frozen=True)
class Reproduced:
    """How a run came out when it was done again.

    Attributes:
        first: the run that was to be reproduced.
        finished: how the new run ended; the rest is empty unless it ended well.
        pairs: each metric of both, those on test rows first.
        parted: where the series part, the earliest step first.
        ingredients: what was not the same, what matters most first.
        same_model: the packaged models are the same bytes; None where there is none.
    """

    first: int
    tolerance: float
    finished: Finished
    pairs: list[Pair] = field(default_factory=list)
    parted: list[Apart] = field(default_factory=list)
    ingredients: list[Ingredient] = field(default_factory=list)
    same_model: bool | None = None

    @property
    def agrees(self) -> bool:
        """The new run ended well, and every metric is the same up to the tolerance."""
        return self.finished.status == "done" and all(pair.agrees for pair in self.pairs)


def reproduce(
    shed: Shed, run_id: int, *, tolerance: float = TOLERANCE, on_event: Callable[[Event], None]
) -> Reproduced:
    """Do a run again, in the foreground, from its frozen code, data, params and seed, as a new run.

    It trains anew whatever the cache holds, and stops before the gate: nothing is registered or promoted.

    Raises:
        UsageError: there is no such run, or nothing of it can be compared.
        RunFailed: it cannot be done again: what it froze is not whole any more, with the files.
    """
    if tolerance < 0:
        raise UsageError(f"--tolerance {tolerance}", expected="0 or more, such as 1e-3: a share of the value")
    first = _checked(shed, run_id)
    run = _again(shed, first)
    assert run.id is not None and run.dataset_version_id is not None
    dataset, version = read_datasets.version_by_id(shed, run.dataset_version_id)
    on_event(
        {
            "event": "run",
            "run": run.id,
            "name": run.name,
            "project": run.project,
            "dataset": f"{dataset.name} v{version.number}",
            "reproduces": run_id,
        }
    )
    context = _opened(shed, run, on_event)
    stages: list[Stage] = [Anew(stage) if stage is train else stage for stage in STAGES]
    finished = carry_out(context, run.until, stages)
    if finished.status != "done":
        return Reproduced(run_id, tolerance, finished, ingredients=comparing.ingredients(shed, first, run))
    found = _compared(shed, first, read_runs.run(shed, run.id), tolerance, finished)
    write_runs.add_note(shed, run.id, _note(found))
    return found


def reproduce_beside(shed: Shed, run_id: int) -> None:
    """Do a run again as `reproduce` does, in a process that outlives whoever asks for it.

    The new run waits for its turn like any other; it is tagged `reproduces-ID`, and a note on it says what came of it.

    Raises:
        UsageError, RunFailed: as `reproduce`, before anything is started.
    """
    _checked(shed, run_id)
    with (Home(shed).root / "reproducing.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "runners.actions.reproducing", str(shed.root), str(run_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )


def main() -> int:
    """What `reproduce_beside` starts."""
    root, run_id = sys.argv[1:]
    return reproduce(open_shed(Path(root), create=False), int(run_id), on_event=lambda event: None).finished.exit_code


def _checked(shed: Shed, run_id: int) -> Run:
    """The run, of which all is there that it needs to be done again and compared."""
    run = _comparable(shed, run_id)
    _check_whole(shed, run)
    return run


def _comparable(shed: Shed, run_id: int) -> Run:
    row = read_runs.row(shed, run_id)
    run = row.run
    if run.kind == IMPORTED:
        raise UsageError(f"run {run_id} was imported: the code and data that made it are not here")
    if run.kind != "pipeline" or run.dataset_version_id is None:
        raise UsageError(f"run {run_id} is a command: nothing was frozen that could be done again")
    if run.status in ("running", "queued"):
        raise UsageError(f"run {run_id} is {run.status}", todo="wait for its end")
    trained = [stage for stage in read_runs.stages(shed, run_id) if stage.name == train.NAME]
    if not trained or trained[0].status not in ("done", "cached"):
        raise UsageError(f"run {run_id} never trained to the end", expected="a run with metrics to compare")
    if not row.metrics:
        raise UsageError(f"run {run_id} has no metrics that could be compared")
    return run


def _check_whole(shed: Shed, run: Run) -> None:
    """Find what is missing before anything is started, all of it at once."""
    gone = []
    for path, digest in run.snapshot.get("files", {}).items():
        try:
            shed.objects.verify(digest)
        except ShedError:
            gone.append(path)
    if gone:
        raise _cannot(run, "its code is not whole any more", gone, "put the shed's objects back from a backup")
    _, version = read_datasets.version_by_id(shed, run.dataset_version_id or 0)
    if launching.identity_of(run.spec, run.project_dir, version.content, run.code, run.until) != run.identity:
        raise RunFailed(f"run {run.id} cannot be reproduced: what it froze was changed afterwards")
    changed = []
    for entry in manifest_of(shed, version).entries():
        try:
            manifests.content_of(shed.objects, entry)
        except DataInvalid:
            changed.append(entry.source or entry.path)
    if changed:
        raise _cannot(run, "its data are not what they were", changed, "put the old files back")


def _cannot(run: Run, why: str, files: list[str], todo: str) -> RunFailed:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return RunFailed(f"run {run.id} cannot be reproduced: {why}: {', '.join(files[:SHOWN])}{more}", todo=todo)


def _again(shed: Shed, first: Run) -> Run:
    """A new run of the same, as far as the gate."""
    until = first.until if first.until not in (None, "gate") else package.NAME
    _, version = read_datasets.version_by_id(shed, first.dataset_version_id or 0)
    run = write_runs.create(
        shed,
        NewRun(
            name=first.name,
            project=first.project,
            project_dir=first.project_dir,
            identity=launching.identity_of(first.spec, first.project_dir, version.content, first.code, until),
            code=first.code,
            spec=first.spec,
            snapshot=first.snapshot,
            params=first.spec.get("train", {}).get("params", {}),
            seed=first.seed,
            commit=first.commit,
            branch=first.branch,
            dirty=first.dirty,
            dataset_version_id=first.dataset_version_id,
            parent_version_id=first.parent_version_id,
            until=until,
            tags=(f"reproduces-{first.id}",),
        ),
    )
    write_runs.supervised_by(shed, run.id or 0, processes.identify_self().to_json())
    return run


def _opened(shed: Shed, run: Run, tell: Callable[[Event], None]) -> Context:
    """The new run, ready to be carried out, with what surrounds it written down."""
    try:
        context = launching.reopen(shed, run, tell)
        surroundings = environment.capture(context.python)
    except TrainshedError as err:
        write_runs.finish(shed, run.id or 0, "failed", err.exit_code, err.message)
        raise
    (context.run_dir / "environment.json").write_text(json.dumps(surroundings, indent=1), encoding="utf-8")
    context.take_turn = partial(own_turn, context)
    return context


def _compared(shed: Shed, first: Run, run: Run, tolerance: float, finished: Finished) -> Reproduced:
    before, after = (read_runs.row(shed, each.id or 0).metrics for each in (first, run))
    trained = next(stage for stage in read_runs.stages(shed, first.id or 0) if stage.name == train.NAME)
    source = first if trained.cached_from is None else read_runs.run(shed, trained.cached_from)
    return Reproduced(
        first.id or 0,
        tolerance,
        finished,
        comparing.pairs(before, after, tolerance, trained_here=source is first),
        comparing.parted(shed, source, run, tolerance),
        comparing.ingredients(shed, source, run),
        comparing.same_model(shed, first, run),
    )


def _note(found: Reproduced) -> str:
    if found.agrees:
        return f"reproduces run {found.first}: its metrics agree up to {found.tolerance:g}"
    apart = [pair.name for pair in found.pairs if not pair.agrees]
    return f"does not reproduce run {found.first}: {', '.join(apart[:SHOWN])} differ by more than {found.tolerance:g}"


if __name__ == "__main__":
    sys.exit(main())
