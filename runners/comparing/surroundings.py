"""What runs had in common and what not, besides params and metrics: one text a thing and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runners.actions.runs import environment as kept
from runners.comparing.texts import flat
from storage.errors import TrainshedError
from storage.read import datasets as read_datasets
from storage.read import runs as read_runs
from storage.shed import Shed
from storage.tables import Run, Stage

Values = list[str | None]
ELSEWHERE = ("project.name", "train.seed")  # settings that are told by other names
NO_INFLUENCE = ("test.", "train.params.")


def differing(columns: Sequence[Mapping[str, str]]) -> dict[str, Values]:
    """The names whose texts are not the same in every column, with the text of each."""
    names = dict.fromkeys(name for column in columns for name in column)
    rows = {name: [column.get(name) for column in columns] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def origin(shed: Shed, run: Run) -> dict[str, str]:
    """Where a run came from: who ran what, on which data."""
    found = {"project": run.project, "host": run.host, "user": run.user, "seed": str(run.seed), "code": run.code[:12]}
    if run.commit:
        found["commit"] = run.commit[:12] + (" with changes" if run.dirty else "")
    if run.until:
        found["until"] = run.until
    dataset = dataset_of(shed, run)
    return (
        found | ({"dataset": dataset} if dataset else {}) | ({"devices": ", ".join(run.devices)} if run.devices else {})
    )


def test_rows(shed: Shed, run: Run) -> str:
    """Which rows it was measured on, as `21,770 (cdf667)`: how many, and what their targets come to. Empty where none
    were kept apart."""
    prepared = _prepared(shed, run.id or 0)
    count = prepared.facts.get("rows", {}).get("test") if prepared is not None else None
    if prepared is None or not count:
        return ""
    made = prepared if prepared.cached_from is None else _prepared(shed, prepared.cached_from) or prepared
    digest = made.outputs.get("test/y.npy", {}).get("blake3") or prepared.key.rpartition("-")[2]
    return f"{count:,} ({digest[:6]})"


def _prepared(shed: Shed, run_id: int) -> Stage | None:
    return next((stage for stage in read_runs.stages(shed, run_id) if stage.name == "prepare"), None)


def dataset_of(shed: Shed, run: Run) -> str | None:
    """`flights v2`; None for a run without data."""
    if run.dataset_version_id is None:
        return None
    try:
        dataset, version = read_datasets.version_by_id(shed, run.dataset_version_id)
    except TrainshedError:
        return None
    return f"{dataset.name} v{version.number}"


def settings(run: Run) -> dict[str, str]:
    """What trainshed.toml said, flat, without params; texts of several lines are compared elsewhere, line by line."""
    return {
        name: text
        for name, text in flat(run.spec).items()
        if "\n" not in text and name not in ELSEWHERE and not name.startswith(NO_INFLUENCE)
    }


def environment(shed: Shed, run: Run) -> dict[str, str]:
    """What the run kept of its surroundings, flat: `packages torch` → `2.13.0`. Empty where it kept nothing."""
    around = {name: value for name, value in kept(shed, run.id or 0).items() if name not in ("host", "user")}
    return {name: text for part, value in around.items() for name, text in _flattened(part, value).items()}


def _flattened(prefix: str, value: Any) -> dict[str, str]:
    if isinstance(value, list):
        return {prefix: ", ".join(str(item.get("name", item) if isinstance(item, Mapping) else item) for item in value)}
    if not isinstance(value, Mapping):
        return {} if value is None else {prefix: str(value)}
    flattened: dict[str, str] = {}
    for key, item in value.items():
        flattened |= _flattened(f"{prefix} {key}", item)
    return flattened
