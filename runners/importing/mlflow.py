"""A run of MLflow as a run of ours, whichever way MLflow kept it.

Names and meanings: https://mlflow.org/docs/latest/ml/tracking/ (system tags, run status, lifecycle stage).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runners.importing.sources import LeftOut, as_name, as_title, checked
from storage.errors import DataInvalid
from storage.metrics import Series
from storage.write.imported import Imported

TAG = "mlflow"  # what all of them are filed under; `host` says the same, since MLflow keeps none
STATUSES = {"FINISHED": "done", "FAILED": "failed", "KILLED": "stopped"}
UNFINISHED = ("RUNNING", "SCHEDULED")
SYSTEM = "mlflow."  # how the names of MLflow's own tags begin
SHORT = 40  # characters of a tag's value that becomes a part of a word
YES = ("", "true", "True", "1")  # values of tags that only say: this is one


@dataclass(frozen=True)
class Head:
    """What MLflow keeps of a run beside params, metrics and tags; `started_at`, `ended_at` in seconds."""

    id: str
    experiment: str
    name: str
    status: str
    user: str
    started_at: float | None
    ended_at: float | None
    deleted: bool
    artifacts: str

    @property
    def origin(self) -> str:
        return origin_of(self.id)

    @property
    def project(self) -> str:
        return as_name(self.experiment, otherwise=TAG)

    @property
    def left_out(self) -> LeftOut:
        if self.deleted:
            return "deleted"
        return "unfinished" if self.status in UNFINISHED else ""


def origin_of(run_id: str) -> str:
    return f"mlflow:{run_id}"


def seconds(milliseconds: object, place: str) -> float | None:
    """MLflow's moment as ours; 0 and nothing are no moment. Raises DataInvalid."""
    if not milliseconds:
        return None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        raise DataInvalid(f"{milliseconds!r} is no moment", place=place, expected="milliseconds since 1970")
    return milliseconds / 1000


def run_of(
    head: Head, params: Mapping[str, str], tags: Mapping[str, str], series: Mapping[str, Series], place: str
) -> Imported:
    """The whole run. Raises DataInvalid for what no shed may hold."""
    status = STATUSES.get(head.status, "stopped")
    own = {name: value for name, value in tags.items() if not name.startswith(SYSTEM)}
    user = as_title(tags.get("mlflow.user") or head.user, otherwise="unknown")
    ended_at = head.ended_at if head.ended_at is not None else _last_moment(series, head.started_at)
    remark = tags.get("mlflow.note.content", "").strip()
    return checked(
        Imported(
            origin=head.origin,
            name=as_title(tags.get("mlflow.runName") or head.name, otherwise=head.id),
            project=head.project,
            user=user,
            host=TAG,
            status=status,
            created_at=head.started_at or ended_at or 0.0,
            started_at=head.started_at,
            ended_at=ended_at,
            reason=_reason(head),
            commit=tags.get("mlflow.source.git.commit") or None,
            branch=tags.get("mlflow.source.git.branch") or None,
            dirty=tags.get("mlflow.source.git.dirty", "").lower() == "true",
            params=params,
            series=series,
            tags=tuple(dict.fromkeys([TAG, *(_word(name, value) for name, value in own.items())])),
            remarks=((user, ended_at or head.started_at or 0.0, remark),) if remark else (),
            source={
                "MLflow run": head.id,
                "experiment": head.experiment,
                **({"script": tags["mlflow.source.name"]} if tags.get("mlflow.source.name") else {}),
                **({"artifacts": head.artifacts} if head.artifacts else {}),
                **{f"tag {name}": value for name, value in sorted(own.items())},
            },
        ),
        place,
    )


def _reason(head: Head) -> str:
    if head.status in UNFINISHED:
        return f"it was {head.status.lower()} in MLflow when it was imported"
    return f"{head.status.lower()} in MLflow" if head.status in ("FAILED", "KILLED") else ""


def _last_moment(series: Mapping[str, Series], started_at: float | None) -> float | None:
    """When the last point came: the end of a run that MLflow knows no end of."""
    return max((float(found.time.max()) for found in series.values() if len(found)), default=started_at)


def _word(name: str, value: str) -> str:
    """A tag of ours is one word: `team = vision` is `team-vision`, `baseline = true` is `baseline`."""
    told = name if value in YES or len(value) > SHORT else f"{name}-{value}"
    return as_name(told, otherwise="tag")
