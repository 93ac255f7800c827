"""How much of what trials came to each param explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runners.sweeps import space
from runners.sweeps.search import Search
from storage.tables import Trial

FEWEST = 4


def importance(search: Search, params: Mapping[str, Any], trials: Iterable[Trial]) -> dict[str, float]:
    """Param → its share of the variance between trials that are done (fANOVA), the largest first; they add up to 1.

    Empty when fewer than four are done, or all came to the same. `params` are the project's own.
    """
    done = [trial for trial in trials if trial.status == "done" and trial.value is not None]
    if len(done) < FEWEST or len({trial.value for trial in done}) == 1:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = space.distributions(search.space, params)
    study = optuna.create_study(direction=search.direction)
    for trial in done:
        drawn = space.drawn(search.space, trial.params)
        study.add_trial(optuna.trial.create_trial(params=drawn, distributions=distributions, value=trial.value))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}
