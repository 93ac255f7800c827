"""A run beside one that did the same again: which figures agree, where the series part, what was not the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runners.comparing import surroundings
from runners.comparing.series import SMALLEST, Apart, apart
from storage import metrics
from storage.metrics import Series
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run, RunMetric

TIMED = ("_ms", "_per_s", "seconds")  # the machine's own figures, never twice the same
# What of the surroundings may change a result, by how their names begin; the first that fits.
PARTS = {
    "packages": "package",
    "python": "python",
    "torch_cuda": "CUDA of torch",
    "gpus": "GPUs",
    "driver": "driver",
    "cpu usable": "cores",
    "cpu": "CPU",
    "variables OMP": "threads",
    "variables MKL": "threads",
    "variables OPENBLAS": "threads",
    "variables": "variable",
    "platform": "system",
}
WITHOUT_INFLUENCE = ("python executable", "python prefix", "variables KMP_", "memory_bytes")


@dataclass(frozen=True)
class Pair:
    """One metric of both runs; `difference` is relative to the larger value, None where one is missing."""

    name: str
    first: float | None
    again: float | None
    difference: float | None
    agrees: bool


@dataclass(frozen=True)
class Ingredient:
    """Something that was not the same in both runs."""

    what: str
    name: str
    first: str | None
    again: str | None

    def __str__(self) -> str:
        head = self.what if self.name in ("", self.what) else f"{self.what} {self.name}"
        return f"{head}: {self.first or 'none'} → {self.again or 'none'}"


def pairs(
    first: Mapping[str, RunMetric], again: Mapping[str, RunMetric], tolerance: float, *, trained_here: bool
) -> list[Pair]:
    """Every metric of the first run but those that are times; `trained_here`: it trained itself, and so has series."""
    names = [name for name in first if not name.endswith(TIMED) and (trained_here or name.startswith("test/"))]
    return [_pair(name, first[name], again.get(name), tolerance) for name in sorted(names, key=_tests_first)]


def _tests_first(name: str) -> tuple[bool, str]:
    return not name.startswith("test/"), name


def _pair(name: str, first: RunMetric, again: RunMetric | None, tolerance: float) -> Pair:
    if again is None:
        return Pair(name, first.last, None, None, False)
    one, other = first.last, again.last
    if one is None or other is None:  # not finite
        return Pair(name, one, other, None, one is other)
    larger = max(abs(one), abs(other))
    difference = abs(one - other) / larger if larger > SMALLEST else 0.0
    return Pair(name, one, other, difference, difference <= tolerance)


def parted(shed: Shed, first: Run, again: Run, tolerance: float) -> list[Apart]:
    """Where the series of both trainings part, the earliest first; nothing where one has none."""
    one, other = _series(shed, first), _series(shed, again)
    return apart(one, other, tolerance) if one and other else []


def _series(shed: Shed, run: Run) -> dict[str, Series]:
    directory = shed.run_dir(run.id or 0) / "metrics"
    names = [name for name in metrics.names(directory) if not name.endswith(TIMED)]
    return {name: metrics.read(directory, name) for name in names}


def ingredients(shed: Shed, first: Run, again: Run) -> list[Ingredient]:
    """What was not the same, what matters most first. Code, data, params and seed are the same by construction."""
    if not surroundings.environment(shed, first):
        return [Ingredient("surroundings", "", "not kept by the first run", "known")]
    columns = [surroundings.environment(shed, run) for run in (first, again)]
    found = [
        Ingredient(part, _rest(name), *values)
        for name, values in surroundings.differing(columns).items()
        if not name.startswith(WITHOUT_INFLUENCE) and (part := _part(name))
    ]
    if first.host != again.host:
        found.append(Ingredient("host", "", first.host, again.host))
    if _kinds(first.devices) != _kinds(again.devices) and first.devices and again.devices:
        found.append(Ingredient("devices", "", ", ".join(first.devices), ", ".join(again.devices)))
    prepared = [_outputs(shed, run, "prepare") for run in (first, again)]
    if all(prepared) and prepared[0] != prepared[1]:
        found.append(Ingredient("prepared data", "", "one encoding", "another: trainshed itself, or DuckDB, changed"))
    order = list(dict.fromkeys(PARTS.values()))
    return sorted(found, key=lambda each: order.index(each.what) if each.what in order else len(order))


def same_model(shed: Shed, first: Run, again: Run) -> bool | None:
    """Whether both packaged the same bytes; None where one packaged nothing."""
    digests = [_outputs(shed, run, "package").get("model.onnx") for run in (first, again)]
    return digests[0] == digests[1] if all(digests) else None


def _outputs(shed: Shed, run: Run, stage: str) -> dict[str, str]:
    """Path → blake3 of what a stage left, wherever it was done first."""
    for found in read_runs.stages(shed, run.id or 0):
        if found.name == stage and found.status == "cached" and found.cached_from is not None:
            return _outputs(shed, read_runs.run(shed, found.cached_from), stage)
        if found.name == stage and found.status == "done":
            return {path: output["blake3"] for path, output in found.outputs.items() if path != "facts.json"}
    return {}


def _part(name: str) -> str:
    return next((part for start, part in PARTS.items() if name.startswith(start)), "")


def _rest(name: str) -> str:
    return name.partition(" ")[2]


def _kinds(devices: Sequence[str]) -> list[str]:
    return sorted(device.rstrip("0123456789") for device in devices)
