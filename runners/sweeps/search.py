"""What a sweep does, with every default decided: frozen when it starts, like the code and data of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from runners.queue import Slot, demand
from runners.sweeps import space
from storage.errors import UsageError
from storage.project import ProjectSpec
from storage.sections import valid
from storage.sweep_section import Dimension, Direction, Pruner, Sampler, SweepSection

USUAL_TRIALS = 20
MINIMIZED = ("loss", "error", "perplexity")
TEST = "test/"


@dataclass(frozen=True)
class Search:
    """A sweep's orders.

    Attributes:
        usual: the project's own params where they lie in the space: what the first trial tries; else None.
        ends_at: seconds since the epoch after which no trial begins.
        counted_from: the first trial whose failure counts when the sweep gives up.
    """

    metric: str
    direction: Direction
    value: Literal["last", "best"]
    sampler: Sampler
    pruner: Pruner
    warmup: int
    trials: int
    parallel: int
    seed: int
    finish: Literal["none", "best"]
    space: dict[str, Dimension]
    usual: dict[str, Any] | None = None
    timeout_s: float | None = None
    ends_at: float | None = None
    counted_from: int = 0
    gpus: int = 1
    gpu_memory: int | None = None
    priority: int = 0
    retries: int = 0

    @property
    def until(self) -> str:
        """The stage after which a trial's run has told all that is asked of it."""
        return "evaluate" if self.metric.startswith(TEST) else "train"

    def better(self, one: float, other: float) -> bool:
        return one > other if self.direction == "maximize" else one < other

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"space": {name: each.model_dump() for name, each in self.space.items()}}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Search:
        dimensions = {name: Dimension.model_validate(each) for name, each in found["space"].items()}
        return cls(**{**found, "space": dimensions})


@dataclass(frozen=True)
class Asked:
    """What the command line asks of the queue for each trial; None: as the project says."""

    gpus: int | None = None
    gpu_memory: int | None = None
    priority: int = 0
    retries: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)  # keys of [sweep], given instead of the file's


def decided(spec: ProjectSpec, asked: Asked, fixed: Mapping[str, Any], slots: Sequence[Slot], now: float) -> Search:
    """The orders of a sweep over `spec`, whose params hold `fixed` already: these are not searched any more.

    Raises:
        UsageError: where something contradicts itself, or nobody can tell what is meant.
    """
    section = _section(spec, asked)
    dimensions = {name: each for name, each in section.space.items() if name not in fixed}
    if not dimensions:
        raise UsageError("--set fixes every param of the space", expected="one left to try")
    metric, params = _metric(spec, section), spec.train.params
    trials = section.trials or USUAL_TRIALS
    if section.sampler == "grid":
        points = space.size(dimensions, params)
        trials = min(section.trials or points, points)
    gpus = spec.train.gpus if asked.gpus is None else asked.gpus
    timeout_s = section.timeout_minutes * 60 if section.timeout_minutes else None
    return Search(
        metric=metric,
        direction=section.direction or direction_of(metric),
        value=section.value,
        sampler=section.sampler,
        pruner=_pruner(section, metric),
        warmup=section.warmup,
        trials=trials,
        parallel=min(section.parallel or room(gpus, asked.gpu_memory, slots), trials),
        seed=section.seed,
        finish=section.finish,
        space=dimensions,
        usual=space.usual_point(dimensions, params) if section.sampler != "grid" else None,
        timeout_s=timeout_s,
        ends_at=now + timeout_s if timeout_s else None,
        gpus=gpus,
        gpu_memory=asked.gpu_memory,
        priority=asked.priority,
        retries=spec.train.retries if asked.retries is None else asked.retries,
    )


def direction_of(metric: str) -> Direction:
    """Which way is better, from what is known of the metric. Raises UsageError for a stranger."""
    from runners.evaluation.scores import METRICS

    name = metric.rsplit("/", 1)[-1].lower()
    if name in METRICS:
        return "maximize" if METRICS[name].higher_is_better else "minimize"
    if any(word in name for word in MINIMIZED):
        return "minimize"
    raise UsageError(
        f"nobody can tell which way {metric} is better",
        place="[sweep] direction",
        expected='"maximize" or "minimize"',
    )


def room(gpus: int, gpu_memory: int | None, slots: Sequence[Slot]) -> int:
    """How many runs that want so much work on this machine at once, at least one."""
    kind, wanted = demand(gpus, slots)
    mine = [slot for slot in slots if slot.name.startswith(kind)]
    if gpu_memory is not None and kind == "gpu":
        shares = sum((slot.memory_bytes or 0) // gpu_memory for slot in mine)
        return max(1, shares // wanted)
    return max(1, len(mine) // wanted)


def _section(spec: ProjectSpec, asked: Asked) -> SweepSection:
    if spec.sweep is None:
        raise UsageError(
            "the project has no [sweep]",
            place="trainshed.toml",
            expected="[sweep.space] with the params to try, such as lr = { low = 1e-4, high = 1e-2, log = true }",
        )
    return valid(SweepSection, {**spec.sweep.model_dump(), **asked.changes}, place="[sweep]")


def _metric(spec: ProjectSpec, section: SweepSection) -> str:
    metric = section.metric or (f"val/{spec.gate.metric}" if spec.gate.metric else None)
    if metric is None:
        raise UsageError(
            "nobody says which metric the sweep is about",
            place="[sweep] metric",
            expected="a series that your training logs, such as val/loss",
        )
    if metric.startswith(TEST) and spec.features is None:
        raise UsageError(f"{metric} needs [features], without which nothing is evaluated", place="[sweep] metric")
    return metric


def _pruner(section: SweepSection, metric: str) -> Pruner:
    if not metric.startswith(TEST):
        return section.pruner or "asha"
    if section.pruner not in (None, "none"):
        raise UsageError(
            f"{metric} is one figure after the training, so nothing can be pruned by it",
            place="[sweep] pruner",
            expected='"none", or a series such as val/loss as the metric',
        )
    return "none"
