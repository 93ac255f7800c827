"""The data of runs: what the dataset versions that they were made of differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runners.comparing.surroundings import dataset_of
from runners.datasets import describing
from runners.datasets.describing import Compared
from runners.opening import manifest_of
from storage.errors import TrainshedError
from storage.read import datasets as read_datasets
from storage.shed import Shed
from storage.tables import Run


@dataclass(frozen=True)
class DataDiff:
    """How the data of `runs`, all of one version, differ from those of the run `base`.

    `old` and `new` read `flights v2`. `compared` is None where the two cannot be compared; `note` says why then.
    """

    base: int
    runs: list[int]
    old: str
    new: str
    compared: Compared | None
    note: str = ""

    @property
    def sentences(self) -> list[str]:
        """The changes as a person would tell them."""
        if self.compared is None:
            return [self.note]
        unread = [f"values were not compared: {self.compared.unread}"] if self.compared.unread else []
        return [*self.compared.sentences, *unread]


def differences(shed: Shed, runs: Sequence[Run]) -> list[DataDiff]:
    """One for each dataset version that is not the first run's, in the order of the runs. Never raises for what is
    gone.
    """
    base, groups = runs[0], dict[int | None, list[Run]]()
    for run in runs[1:]:
        if run.dataset_version_id != base.dataset_version_id:
            groups.setdefault(run.dataset_version_id, []).append(run)
    return [_difference(shed, base, alike) for alike in groups.values()]


def _difference(shed: Shed, base: Run, alike: list[Run]) -> DataDiff:
    other, ids = alike[0], [run.id or 0 for run in alike]
    before, after = (dataset_of(shed, run) or "no data" for run in (base, other))
    compared, note = _compared(shed, base.dataset_version_id, other.dataset_version_id)
    return DataDiff(base.id or 0, ids, before, after, compared, note or f"{before} and {after}: other data")


def _compared(shed: Shed, before: int | None, after: int | None) -> tuple[Compared | None, str]:
    """What differs; or None, and why it cannot be said where that is not plain from the names."""
    if before is None or after is None:
        return None, ""
    (one, old), (two, new) = (read_datasets.version_by_id(shed, version) for version in (before, after))
    if one.id != two.id:
        return None, ""
    try:
        return describing.compare(shed, one.name, manifest_of(shed, old), manifest_of(shed, new)), ""
    except TrainshedError as err:
        return None, err.message
