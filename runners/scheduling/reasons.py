"""Why a run waits, in words for a person."""

from __future__ import annotations

from collections.abc import Sequence

from runners.scheduling.machine import Hold, Machine
from runners.scheduling.terms import Waiting, kind_of, natural

NAMED = 3  # holders that are named; of more, only the number is told


def devices(kind: str, count: int) -> str:
    """`1 GPU`, `2 CPU slots`."""
    word = "GPU" if kind == "gpu" else "CPU slot"
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def wanted(run: Waiting, kind: str, count: int, *, claims: bool) -> str:
    """`2 GPUs`, `10 GB on 1 GPU`."""
    return f"{gigabytes(run.memory)} on {devices(kind, count)}" if claims and run.memory else devices(kind, count)


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def never_fits(run: Waiting, kind: str, count: int, machine: Machine, per_user: int | None) -> str:
    """Why this machine can never serve the run, whoever leaves; empty where it can."""
    there = machine.kinds.get(kind, [])
    if count > len(there):
        return f"wants {devices(kind, count)}, and this machine has {devices(kind, len(there)) if there else 'none'}"
    if per_user is not None and count > per_user:
        return f"wants {devices(kind, count)}, over {run.user}'s limit of {devices(kind, per_user)}"
    sizes = sorted((device.memory for device in there), reverse=True)
    if run.memory is not None and 0 < sizes[count - 1] < run.memory:
        return f"wants {wanted(run, kind, count, claims=True)}, and there is only {gigabytes(sizes[count - 1])}"
    return ""


def at_limit(user: str, kind: str, limit: int, first: int | None) -> str:
    """The user's limit holds the run itself, or `first`, which the same user wants before it."""
    after = f"; run {first} comes before it" if first is not None else ""
    return f"{user}'s limit of {devices(kind, limit)}{after}"


def before(count: int) -> str:
    """So many waiting runs come first."""
    return "1 run before it" if count == 1 else f"{count} runs before it"


def stands_back(kept_for: Waiting) -> str:
    """It would fit now, but would delay a run whose turn it is."""
    return f"lets run {kept_for.run_id} ({kept_for.user}) start first"


def next_in_line(run: Waiting, want: tuple[str, int], machine: Machine, holds: Sequence[Hold]) -> str:
    """It is first, and waits for what these runs and strangers hold."""
    kind, count = want
    held = sorted(
        (natural(name), f"{name}: run {hold.run_id} ({hold.user})")
        for hold in holds
        for name in hold.devices
        if kind_of(name) == kind
    )
    there = [words for _, words in held] + _strange(kind, machine)
    named = ", ".join(there[:NAMED]) + (f" and {len(there) - NAMED} more" if len(there) > NAMED else "")
    return f"next in line, waits for {wanted(run, kind, count, claims=_shares(kind, machine))} ({named})"


def strangers(run: Waiting, want: tuple[str, int], machine: Machine) -> str:
    """No run of ours is in its way: those who hold memory without a lease are."""
    kind, count = want
    return ", ".join(_strange(kind, machine)) or f"waits for {wanted(run, kind, count, claims=_shares(kind, machine))}"


def _strange(kind: str, machine: Machine) -> list[str]:
    return [f"{device.name}: held by {device.stranger}" for device in machine.kinds.get(kind, []) if device.stranger]


def _shares(kind: str, machine: Machine) -> bool:
    return any(device.memory for device in machine.kinds.get(kind, []))
