"""A sweep's study: optuna asked for params, told of points on the way and of what came of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna import pruners, samplers
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from runners.sweeps import space
from runners.sweeps.journal import Journal
from runners.sweeps.search import Search
from storage.errors import RunFailed

JOURNAL = "study.jsonl"
REDUCTION = 3  # of the trials that come to a rung, one in so many goes on
STARTUP = (5, 10)  # TPE draws so many at random first, at least and at most; a quarter of all where that lies between
MEDIAN_STARTUP = 5

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class Draw:
    """A trial and the params that were drawn for it."""

    number: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """What the study was told of a trial: done, pruned or failed. `reported` points had come before."""

    status: str
    value: float | None
    reported: int


class Study:
    """The study in a sweep's directory, open for the one process that carries the sweep out.

    What is drawn depends on the search, the number of the trial and what was told before, not on which process asks:
    a study that was closed in between goes on as if it had not been.
    """

    def __init__(self, directory: Path, search: Search, params: Mapping[str, Any]) -> None:
        """Open or begin it. `params` are the project's own.

        Raises:
            RunFailed: when its journal is damaged, or others may write to it.
        """
        self.search = search
        self._distributions = space.distributions(search.space, params)
        points = space.grid(search.space, params, search.seed) if search.sampler == "grid" else [search.usual]
        self._listed = [space.drawn(search.space, point) for point in points if point is not None]
        try:
            self._journal = Journal(directory / JOURNAL)
            self._study = optuna.create_study(
                storage=JournalStorage(self._journal),
                study_name="sweep",
                direction=search.direction,
                pruner=_pruner(search),
                load_if_exists=True,
            )
        except ValueError as err:
            raise RunFailed(f"the study's journal is damaged: {err}", place=str(directory / JOURNAL)) from err

    def close(self) -> None:
        self._journal.close()

    def ask(self) -> Draw:
        """Draw params for one more trial."""
        trials = self._study.get_trials(deepcopy=False)
        if not any(trial.state == TrialState.WAITING for trial in trials):
            point = self._given(trials)
            if point is not None:
                self._study.enqueue_trial(point)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.sampler = _sampler(self.search, len(trials))
        drawn = self._study.ask(self._distributions)
        return Draw(drawn.number, space.chosen(self.search.space, drawn.params))

    def unfinished(self) -> list[Draw | int]:
        """Trials that have begun and not ended; of one that was cut off while it was drawn, the number alone."""
        return [
            Draw(trial.number, space.chosen(self.search.space, trial.params))
            if trial.params.keys() == self._distributions.keys()
            else trial.number
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        ]

    def report(self, number: int, point: int, value: float) -> bool:
        """Tell the value at a trial's `point`-th point, counted from 1; returns whether the trial should be pruned."""
        trial = Trial(self._study, self._found(number)._trial_id)
        trial.report(value, point)
        return trial.should_prune()

    def ending(self, number: int) -> Ending:
        """What was told of a trial; status `running` while nothing final was."""
        trial = self._found(number)
        return Ending(STATUSES[trial.state], trial.value, max(trial.intermediate_values, default=0))

    def done(self, number: int, value: float) -> None:
        self._study.tell(number, value)

    def pruned(self, number: int) -> None:
        self._study.tell(number, state=TrialState.PRUNED)

    def failed(self, number: int) -> None:
        self._study.tell(number, state=TrialState.FAIL)

    def _given(self, trials: list[FrozenTrial]) -> dict[str, Any] | None:
        """What the next trial tries where nothing is to be drawn: a point of the grid, or the project's own params."""
        tried = {_key(trial.params) for trial in trials if trial.params.keys() == self._distributions.keys()}
        return next((point for point in self._listed if _key(point) not in tried), None)

    def _found(self, number: int) -> FrozenTrial:
        trials = self._study.get_trials(deepcopy=False)
        if number >= len(trials):
            raise RunFailed(f"the study knows of no trial {number}: its journal was changed, or is not the sweep's")
        return trials[number]


STATUSES = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))


def _sampler(search: Search, number: int) -> samplers.BaseSampler:
    """A fresh one for each trial, with a seed of the trial's own."""
    seed = (search.seed * 1_000_003 + number) % 2**32
    if search.sampler == "tpe":
        least, most = STARTUP
        startup = min(most, max(least, search.trials // 4))
        return samplers.TPESampler(n_startup_trials=startup, multivariate=True, constant_liar=True, seed=seed)
    if search.sampler == "cmaes":
        return samplers.CmaEsSampler(
            warn_independent_sampling=False, consider_pruned_trials=search.pruner == "asha", seed=seed
        )
    return samplers.RandomSampler(seed=seed)


def _pruner(search: Search) -> pruners.BasePruner:
    """Points are counted, so that a rung means the same for every project, whatever its steps are."""
    if search.pruner == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=search.warmup, reduction_factor=REDUCTION)
    if search.pruner == "median":
        startup = min(MEDIAN_STARTUP, max(1, search.trials // 4))
        return pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=search.warmup)
    return pruners.NopPruner()
