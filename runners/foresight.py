"""How much GPU memory a run will take, from what runs like it have held: told before it is launched, not after.

Runs are alike when they have as many GPUs and every param that bears on memory is the same: learning rates, seeds and
the number of epochs do not.
The figures are what the driver saw once a second. A shorter spike is higher, and a framework's allocator may hold more
than it needs, so a run is only refused on strong evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal

from runners.estimates import IDLE, LENGTHS
from runners.gpus import Reading
from runners.scheduling.reasons import gigabytes
from storage.errors import UsageError
from storage.read.similar import PastPeak, peaks
from storage.shed import Shed

if TYPE_CHECKING:
    from storage.project import TrainSection

BATCHES = ("batch_size", "micro_batch", "micro_batch_size", "per_device_batch_size", "train_batch_size", "batch")
WITHOUT_EFFECT = (*IDLE, *LENGTHS, "accumulation", "gradient_accumulation", "accumulation_steps")
SPARE = 0.25  # of what a run held: so much an allocator may keep without needing it
FEW = 3

Fits = Literal["yes", "perhaps not", "surely not", "unknown"]


@dataclass(frozen=True)
class Foresight:
    """What past runs tell of a run to come. Bytes on any one GPU.

    Attributes:
        expected_bytes: the median of what runs like it held; None where there were none.
        least_bytes, largest_bytes: the range of that.
        runs: how many they were, `like` which.
        same_code: whether some of them ran this very code; then `least_bytes` and `expected_bytes` are of these alone.
        at_least: a run with smaller batches that held even so much, for where there were none alike.
        ran_out: runs like it, or with smaller batches, that ran out of a GPU's memory which they had alone.
    """

    expected_bytes: int | None = None
    least_bytes: int | None = None
    largest_bytes: int | None = None
    runs: int = 0
    like: list[int] = field(default_factory=list)
    same_code: bool = False
    at_least: PastPeak | None = None
    ran_out: list[PastPeak] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """Whether a run fits, and the figures in words."""

    fits: Fits
    text: str


def foresee(past: Sequence[PastPeak], params: Mapping[str, object], code: str, gpus: int) -> Foresight:
    """What these runs of one project (the newest first) tell of a run with `params` and the frozen code `code`."""
    wanted = _bearing(params)
    alike: list[PastPeak] = []
    smaller: list[PastPeak] = []
    for run in past:
        its = _bearing(run.params)
        if run.gpus == gpus and its == wanted:
            alike.append(run)
        elif run.gpus == gpus and _is_smaller(its, wanted):
            smaller.append(run)
    ran_out = [run for run in (*alike, *smaller) if run.ending == "gpu memory" and run.alone and run.code == code]
    measured = [run for run in alike if run.peak_bytes and run.ending != "gpu memory"]
    same = [run for run in measured if run.code == code]
    held = [run.peak_bytes or 0 for run in same or measured]
    below = [run for run in smaller if run.peak_bytes and run.code == code]
    return Foresight(
        expected_bytes=round(median(held)) if held else None,
        least_bytes=min(held, default=None),
        largest_bytes=max(held, default=None),
        runs=len(held),
        like=[run.run_id for run in same or measured],
        same_code=bool(same),
        at_least=max(below, key=lambda run: run.peak_bytes or 0) if below and not same else None,
        ran_out=ran_out if not same else [],
    )


def verdict(found: Foresight, *, claim: int | None, sizes: Mapping[str, int], gpus: int = 1) -> Verdict:
    """Whether the run fits.

    Args:
        found: what `foresee` says.
        claim: bytes that it asks for on each GPU, None: it wants them alone.
        sizes: the memory of each GPU that it could be given, in bytes.
        gpus: how many it wants.
    """
    if gpus < 1 or len(sizes) < gpus:
        return Verdict("unknown", "")
    room = sorted(sizes.values(), reverse=True)[gpus - 1]
    there = f"the GPU here has {gigabytes(room)}" if len(sizes) == 1 else f"the GPUs here have {gigabytes(room)}"
    if claim is not None:
        room, there = min(room, claim), f"it claims {gigabytes(claim)}"
    least, largest = found.least_bytes or 0, found.largest_bytes or 0
    spare = 0.0 if claim is not None else SPARE  # who shares a GPU may not hold more than the claim, needed or not
    if found.ran_out:
        return _after_running_out(found.ran_out, room, there, sizes)
    if found.same_code and least * (1 - spare) > room:
        return Verdict("surely not", f"{_held(found)}; {there}")
    if found.at_least is not None and (found.at_least.peak_bytes or 0) * (1 - spare) > room:
        run = found.at_least
        return Verdict("surely not", f"run {run.run_id}, with smaller batches, held {_size(run)}; {there}")
    if largest > room:
        older = "" if found.same_code else ", with other code"
        return Verdict("perhaps not", f"{_held(found)}{older}; {there}")
    if not found.runs:
        return Verdict("unknown", "")
    return Verdict("yes", _held(found))


def check(
    shed: Shed,
    *,
    project: str,
    params: Mapping[str, object],
    code: str,
    gpus: int,
    claim: int | None,
    readings: Sequence[Reading],
    kind: str = "pipeline",
    host: str | None = None,
    force: bool = False,
) -> list[str]:
    """What is to be said before this run is launched; nothing where it fits, or where nobody can tell.

    Raises:
        UsageError: when it will surely not fit, with the figures; with `force` that is said instead.
    """
    sizes = {each.device: each.total_bytes for each in readings if each.total_bytes is not None and not each.mig}
    found = foresee(peaks(shed, project, kind, host), params, code, gpus)
    judged = verdict(found, claim=claim, sizes=sizes, gpus=gpus)
    if judged.fits == "surely not":
        if force:
            return [f"it will hardly fit: {judged.text}"]
        raise UsageError(
            f"this run will not fit: {judged.text}",
            expected=_wish(found, claim),
            todo="--force launches it all the same",
        )
    return [f"it may not fit: {judged.text}"] if judged.fits == "perhaps not" else []


def smaller(train: TrainSection) -> dict[str, int] | None:
    """The params that change when a run has run out of GPU memory: half of one, twice the other.

    None where the project does not say so, or where half is no integer any more.
    """
    rule = train.retry_smaller
    if rule is None:
        return None
    halved, doubled = train.params.get(rule.halve), train.params.get(rule.double)
    if not isinstance(halved, int) or not isinstance(doubled, int) or halved < 2 or halved % 2:
        return None
    return {rule.halve: halved // 2, rule.double: doubled * 2}


def _bearing(params: Mapping[str, object]) -> dict[str, object]:
    """The params that bear on memory."""
    return {name: value for name, value in params.items() if _word(name) not in WITHOUT_EFFECT}


def _is_smaller(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether `one` differs from `other` in nothing but in batches that are smaller."""
    if one.keys() != other.keys():
        return False
    return all(value == other[name] or _is_less(name, value, other[name]) for name, value in one.items())


def _is_less(name: str, one: object, other: object) -> bool:
    return _word(name) in BATCHES and isinstance(one, int) and isinstance(other, int) and one < other


def _word(name: str) -> str:
    return name.rsplit(".", 1)[-1].lower()


def _after_running_out(runs: Sequence[PastPeak], room: int, there: str, sizes: Mapping[str, int]) -> Verdict:
    """A GPU whose memory was not enough for one run is not enough for the next one like it."""
    had = [min(found) for run in runs if (found := [sizes[device] for device in run.devices if device in sizes])]
    words = f"{_named([run.run_id for run in runs])} ran out of GPU memory"
    if had and max(had) >= room:
        return Verdict("surely not", f"{words}, alone on a GPU of {gigabytes(max(had))}; {there}")
    return Verdict("perhaps not", f"{words}; {there}")


def _held(found: Foresight) -> str:
    least, largest = gigabytes(found.least_bytes or 0), gigabytes(found.largest_bytes or 0)
    few = ", which is little to go by" if found.runs < FEW else ""
    return f"{_named(found.like)} held {least if least == largest else f'{least} to {largest}'}{few}"


def _named(runs: Sequence[int]) -> str:
    """`run 3`, `runs 3, 5 and 9`, `9 runs like it, such as 12`."""
    if len(runs) == 1:
        return f"run {runs[0]}"
    if len(runs) > FEW:
        return f"{len(runs)} runs like it, such as {runs[0]},"
    return f"runs {', '.join(str(run) for run in runs[:-1])} and {runs[-1]}"


def _size(run: PastPeak) -> str:
    return gigabytes(run.peak_bytes or 0)


def _wish(found: Foresight, claim: int | None) -> str:
    if claim is not None and found.largest_bytes:
        return f"--gpu-memory {-(-found.largest_bytes // 10**9)}GB or more, or smaller batches"
    return "a larger GPU, or params that need less of it"
