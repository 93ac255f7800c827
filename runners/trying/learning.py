"""Whether a training learns: its losses are finite and fall, it comes out alike again, and it knows a few rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from runners.comparing.series import apart
from runners.evaluation.heldout import HeldOut
from runners.pipeline import Context
from runners.stages import evaluate, prepare
from runners.trying import judging
from storage import metrics
from storage.errors import RunFailed, nearest
from storage.metrics import Series
from storage.project import ProjectSpec

TOLERANCE = 1e-3


class NotAsked(Exception):
    """A question that this project, or what went before, leaves nothing to ask; the reason is its text."""


def series_of(context: Context) -> dict[str, Series]:
    """All that the training logged."""
    directory = context.run_dir / "metrics"
    return {name: metrics.read(directory, name) for name in metrics.names(directory)}


def finite(spec: ProjectSpec, series: dict[str, Series]) -> str:
    """Say which losses are finite throughout. Raises NotAsked where there is none; RunFailed with the first step."""
    losses = [name for name in series if "loss" in name.lower() or name == spec.test.loss]
    if not losses:
        raise NotAsked(_no_loss(series))
    for name in losses:
        step = judging.first_nonfinite(series[name])
        if step is not None:
            raise RunFailed(
                f"{name} is NaN or infinite at step {step}",
                todo="try a smaller learning rate; look for logarithms of 0, and for nulls that became NaN",
            )
    return ", ".join(losses[:5])


def falls(spec: ProjectSpec, series: dict[str, Series]) -> str:
    """Say where the training loss begins and ends. Raises NotAsked where there is none; RunFailed if it rises."""
    name, values = _loss(spec, series)
    began, ended = judging.fall(values)
    if not ended < began:
        raise RunFailed(
            f"{name} goes from {began:.4g} to {ended:.4g}",
            expected="a training loss that falls",
            todo="see that gradients reach the weights; for more steps: [test] params or rows",
        )
    return f"{name} {began:.4g} → {ended:.4g}"


def alike(first: Context, again: Context) -> str:
    """Say how well two trainings agree, in every series and every prediction. Raises RunFailed where they part."""
    one, other = series_of(first), series_of(again)
    logged = len(one)
    if evaluate.NAME in first.outputs and evaluate.NAME in again.outputs:
        for context, series in ((first, one), (again, other)):
            prediction = np.load(context.directory(evaluate.NAME) / "prediction.npy").reshape(-1).astype(float)
            place = np.arange(len(prediction))
            series["prediction of a test row"] = Series(place, place.astype(float), prediction)
    if not one and not other:
        raise NotAsked("training logs no series and returns no model that could be compared")
    parted = apart(one, other, TOLERANCE)
    if parted:
        raise RunFailed(
            "two runs with one seed differ\n  " + "\n  ".join(map(str, parted[:3])),
            expected=f"the same values, up to {TOLERANCE:g} of each",
            todo="seed every generator from run.seed; order what comes from sets, threads and listings of directories",
        )
    told = f"{logged} series" + (" and all predictions" if len(one) > logged else "")
    return f"{told}, " + (f"up to {TOLERANCE:g}" if apart(one, other, 0.0) else "to the last bit")


def learnt(spec: ProjectSpec, context: Context, rows: int) -> str:
    """Say how well the model knows the `rows` rows that it was trained on.

    Judged by its predictions of them, or by the training loss where training returned no model.

    Raises:
        RunFailed: less than `[test] overfit` of the spread is explained.
        NotAsked: there is neither a model nor a loss.
    """
    least = spec.test.overfit
    if evaluate.NAME in context.outputs and spec.features is not None:
        target = HeldOut(context.directory(prepare.NAME)).target
        prediction = np.load(context.directory(evaluate.NAME) / "prediction.npy")
        share = judging.explained(spec.features.task, target, prediction)
        told = f"{share:.0%} of the spread of {rows} rows explained"
    else:
        name, values = _loss(spec, series_of(context))
        began, ended = values[0], judging.fall(values)[1]
        share = 1 - ended / began if began > 0 else float(ended < began)
        told = f"{name} {began:.4g} → {ended:.4g} on {rows} rows"
    if not share >= least:
        raise RunFailed(
            f"the model does not learn the rows it is trained on: {told}",
            expected=f"at least {least:.0%}",
            todo="see that x and y belong together and gradients reach the weights; for more steps: "
            "[test] overfit_params = { epochs = 50 }; for a model too simple to do it: [test] overfit = 0.1",
        )
    return told


def _loss(spec: ProjectSpec, series: dict[str, Series]) -> tuple[str, list[float]]:
    """The training loss: its name and its finite values, two or more."""
    wanted = spec.test.loss
    if wanted is not None and wanted not in series:
        raise RunFailed(
            f"training logs no series {wanted}",
            place="[test] loss",
            expected=", ".join(series) or "a series that training logs; it logs none",
            todo=nearest(wanted, series),
        )
    name = wanted or judging.loss_series(series)
    if name is None:
        raise NotAsked(_no_loss(series))
    values = series[name].value
    finite_ones: list[float] = values[np.isfinite(values)].tolist()
    if len(finite_ones) < 2:
        raise NotAsked(f"{name} has a single value" if len(values) == 1 else f"{name} has hardly a finite value")
    return name, finite_ones


def _no_loss(names: Iterable[str]) -> str:
    known = list(names)
    if not known:
        return "training logs no series"
    return f'no series has "loss" in its name; [test] loss = "…" would name one of {", ".join(known[:5])}'
