"""SQLModel tables of shed.db. Times are seconds since the epoch, UTC; JSON columns hold what is only read whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import JSON, Column, Field, SQLModel

Json = dict[str, Any]
CLUSTERED = {"sqlite_with_rowid": False}  # rows lie in the order of their key: a run's values side by side


class Row(SQLModel):
    """What all tables have in common: pydantic makes a validator when one is asked for, not at each start."""

    model_config = {"defer_build": True}


class Audit(Row, table=True):
    """Who changed what, when: one row for every write, in the same transaction."""

    id: int | None = Field(default=None, primary_key=True)
    at: float = Field(index=True)
    user: str
    host: str
    pid: int
    action: str
    subject: str = Field(index=True)
    detail: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class Dataset(Row, table=True):
    """A named collection of files that grows version by version."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    kind: str
    created_at: float
    created_by: str


class DatasetVersion(Row, table=True):
    """An immutable manifest. `content` is the digest of its paths and hashes; `manifest` names the object it is in."""

    __tablename__ = "dataset_version"
    __table_args__ = (
        UniqueConstraint("dataset_id", "number"),
        UniqueConstraint("dataset_id", "content"),
    )

    id: int | None = Field(default=None, primary_key=True)
    dataset_id: int = Field(foreign_key="dataset.id", index=True)
    number: int
    content: str
    manifest: str
    files: int
    rows: int | None = None
    bytes: int
    by_reference: bool = False
    created_at: float
    created_by: str
    note: str = ""


AT_WORK = ("queued", "running")  # of a run that has not come to its end
IMPORTED = "imported"  # the kind of a run that was made elsewhere: its identity is its origin, its code is not here


class Run(Row, table=True):
    """One execution of a pipeline or a command. `identity` is the hash of all that was frozen at launch."""

    __table_args__ = {"sqlite_autoincrement": True}  # an id that was removed is never given again

    id: int | None = Field(default=None, primary_key=True)
    name: str
    project: str = Field(index=True)
    project_dir: str
    status: str = Field(index=True)
    user: str = Field(index=True)
    host: str
    created_at: float = Field(index=True)
    started_at: float | None = None
    ended_at: float | None = None
    heartbeat_at: float | None = None
    attempt: int = 1
    identity: str = Field(index=True)
    code: str
    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    seed: int = 0
    spec: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    snapshot: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    supervisor: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    dataset_version_id: int | None = Field(default=None, foreign_key="dataset_version.id", index=True)
    parent_version_id: int | None = None  # no foreign key: model_version already refers to run
    until: str | None = None
    progress: float | None = None
    progress_text: str = ""
    exit_code: int | None = None
    reason: str = ""
    kind: str = "pipeline"  # or "command": what `trainshed exec` queued; or IMPORTED
    ending: str = ""  # how it ended, for programs: see runners.supervision.outcome.Ending
    devices: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    peak_rss_bytes: int | None = None
    peak_gpu_bytes: int | None = None  # the most that it held on any one GPU
    sweep_id: int | None = None
    trial: int | None = None


class Queued(Row, table=True):
    """What a run asked of the queue. It waits while the run's status is `queued`; kept after, for the next attempt."""

    __tablename__ = "queued"

    run_id: int = Field(foreign_key="run.id", primary_key=True)
    user: str = Field(index=True)
    host: str
    request: str  # digest of the request in the user's own directory: an agent runs nothing else
    queued_at: float
    priority: int = 0
    position: float = 0.0  # the order among one user's runs of one priority; smaller is sooner
    gpus: int = 1
    gpu_memory: int | None = None  # bytes on each GPU, shared with others; None: the GPUs alone
    retries: int = 0  # how often it may still be started again after a failure
    after: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    forced: bool = False  # launched although it will hardly fit
    held: str = ""  # why it does not start, in words
    reserved_since: float | None = None  # since when devices are kept for it


class DeviceUse(Row, table=True):
    """A run's hold on one GPU or CPU slot, from its grant to its end: the hours that fair share counts."""

    __tablename__ = "device_use"
    __table_args__ = (Index("ix_device_use_user_ended", "user", "ended_at"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    user: str
    host: str
    device: str  # gpu0, cpu1
    share: float = 1.0  # of the device: below 1 where it is shared by memory
    started_at: float
    ended_at: float | None = None


class Sweep(Row, table=True):
    """A search over a project's params. Its study lies in sweeps/ID/."""

    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str
    project: str = Field(index=True)
    project_dir: str
    user: str
    host: str
    status: str = Field(index=True)  # running, done, stopped, failed
    created_at: float
    ended_at: float | None = None
    plan: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    reason: str = ""
    best_trial: int | None = None


class Trial(Row, table=True):
    """One try of a sweep: the params that the sampler chose, its run, and what came of it."""

    sweep_id: int = Field(foreign_key="sweep.id", primary_key=True)
    number: int = Field(primary_key=True)
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    status: str  # queued, running, done, pruned, failed; stopped with its sweep, and again when that goes on
    params: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    value: float | None = None
    last_step: int | None = None


class Seen(Row, table=True):
    """When each user last looked at the digest."""

    user: str = Field(primary_key=True)
    at: float


class RunParam(Row, table=True):
    """A param of a run; `number` is set where it is one, so that ranges can be asked for."""

    __tablename__ = "run_param"
    __table_args__ = (Index("ix_run_param_name_number", "name", "number"), CLUSTERED)

    run_id: int = Field(foreign_key="run.id", primary_key=True)
    name: str = Field(primary_key=True)
    text: str
    number: float | None = None


class RunMetric(Row, table=True):
    """What a metric came to: the series itself lies in the run's directory."""

    __tablename__ = "run_metric"
    __table_args__ = (Index("ix_run_metric_name_last", "name", "last"), CLUSTERED)

    run_id: int = Field(foreign_key="run.id", primary_key=True)
    name: str = Field(primary_key=True)
    last: float | None = None
    lowest: float | None = None
    highest: float | None = None
    count: int = 0
    last_step: int | None = None
    nonfinite_step: int | None = None


class RunTag(Row, table=True):
    """A word that people file runs under."""

    __tablename__ = "run_tag"

    run_id: int = Field(foreign_key="run.id", primary_key=True)
    tag: str = Field(primary_key=True, index=True)


class RunNote(Row, table=True):
    """A remark on a run, by a person or by `run.note`."""

    __tablename__ = "run_note"

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    at: float
    user: str
    text: str


class Stage(Row, table=True):
    """One stage of one run: what went in, what came out, and whose earlier work stood in where it was cached."""

    __table_args__ = (UniqueConstraint("run_id", "name"), Index("ix_stage_key_status", "key", "status"))

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    name: str
    status: str
    key: str = ""
    cached_from: int | None = Field(default=None, foreign_key="run.id")
    inputs: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    outputs: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    facts: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    params: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    code: str = ""
    user: str = ""
    host: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""


class Artifact(Row, table=True):
    """A file that a run saved; its bytes lie in objects/."""

    __table_args__ = (UniqueConstraint("run_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id", index=True)
    name: str
    digest: str = Field(index=True)
    bytes: int
    created_at: float


class Model(Row, table=True):
    """A named line of model versions; it carries its project's name."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    created_at: float


class ModelVersion(Row, table=True):
    """A packaged model. `digest` names its ONNX file in objects/, `card` its model card."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("model_id", "number"), UniqueConstraint("model_id", "digest"))

    id: int | None = Field(default=None, primary_key=True)
    model_id: int = Field(foreign_key="model.id", index=True)
    number: int
    digest: str
    status: str
    run_id: int = Field(foreign_key="run.id", index=True)
    dataset_version_id: int | None = Field(default=None, foreign_key="dataset_version.id")
    parent_version_id: int | None = Field(default=None, foreign_key="model_version.id")
    task: str | None = None
    signature: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    metrics: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    card: str | None = None
    created_at: float
    created_by: str


class Alias(Row, table=True):
    """A name that points at one version of a model: candidate, production, previous, or any other."""

    model_id: int = Field(foreign_key="model.id", primary_key=True)
    name: str = Field(primary_key=True)
    version_id: int = Field(foreign_key="model_version.id")
    moved_at: float
    moved_by: str


class Decision(Row, table=True):
    """One entry of a model's history: what was decided about a version, by whom, on what evidence."""

    id: int | None = Field(default=None, primary_key=True)
    model_id: int = Field(foreign_key="model.id", index=True)
    version_id: int = Field(foreign_key="model_version.id", index=True)
    previous_id: int | None = Field(default=None, foreign_key="model_version.id")
    run_id: int | None = Field(default=None, foreign_key="run.id")
    at: float
    user: str
    kind: str
    alias: str = ""
    passed: bool | None = None
    reason: str = ""
    evidence: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class Endpoint(Row, table=True):
    """A model's serving process on one host. `wanted` is what its user asked for, `settings` its `[serve]`."""

    name: str = Field(primary_key=True)
    model: str = Field(index=True)
    alias: str
    user: str
    host: str
    port: int
    wanted: str  # running, stopped
    settings: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    supervisor: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: float
    started_at: float | None = None
    stopped_at: float | None = None


class Rollout(Row, table=True):
    """A second version that an endpoint serves beside the one its alias names: a canary, a shadow or one half of A/B.

    Going, it is what the endpoint comes back with after a kill -9 or a power cut.
    """

    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    endpoint: str = Field(index=True)
    kind: str  # canary, shadow, ab
    model: str
    version_id: int = Field(foreign_key="model_version.id")
    against_id: int = Field(foreign_key="model_version.id")  # what the alias named when it began
    rules: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    override: str = ""  # why it may go past the gate, where it may
    status: str = Field(index=True)  # going, promoted, aborted, ended
    reason: str = ""
    user: str
    started_at: float
    routed_at: float | None = None  # since when it is asked
    ended_at: float | None = None
    looks: int = 0  # how often it was judged before its time was over
    figures: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class Trigger(Row, table=True):
    """What may set off a run of a project. Its user's agent acts on the request alone; `spec` is for those who read."""

    __table_args__ = (UniqueConstraint("user", "host", "project_dir", "name"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    name: str
    project: str = Field(index=True)
    project_dir: str
    user: str
    host: str
    kind: str  # new-data, schedule, drift, performance, code
    status: str  # active, paused
    reason: str = ""  # why it is paused, and by whom
    spec: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    request: str  # digest of the request in the user's own directory
    created_at: float
    next_at: float | None = None  # when a schedule is due
    note: str = ""  # what it waits for, or warns of, in words
    left_out: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))  # path → why, and its stat


class Firing(Row, table=True):
    """What a trigger noticed once, what was decided, why, and what came of it. `key` tells what it noticed apart."""

    __table_args__ = (UniqueConstraint("trigger_id", "key"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    trigger_id: int = Field(foreign_key="trigger.id", index=True)
    key: str
    at: float = Field(index=True)
    by: str  # whom it acts for
    status: str = Field(index=True)  # seen, queued, waiting (for a person), done
    decision: str  # begin, retrain, notify, wait, stop, nothing
    why: str
    evidence: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    dataset_version_id: int | None = Field(default=None, foreign_key="dataset_version.id")
    run_id: int | None = None  # no foreign key: a run may be removed, its firing stays
    outcome: str = ""
    ended_at: float | None = None


class Alert(Row, table=True):
    """Something that people should know. The same `key` again, while nobody has acknowledged it, only counts up."""

    __table_args__ = (Index("ix_alert_user_project_key", "user", "project", "key"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    at: float = Field(index=True)
    last_at: float
    count: int = 1
    user: str  # whose agent sends it
    host: str
    project: str
    key: str
    severity: str  # info, warning, critical
    title: str
    body: str = ""
    subject: str = ""  # such as `trigger 3` or `run 12`
    delivery: str = Field(index=True)  # pending, sent, failed, listed (nobody to send it to)
    tries: int = 0
    next_try_at: float | None = None
    sent_at: float | None = None
    error: str = ""
    acknowledged_at: float | None = None
    acknowledged_by: str = ""


class Label(Row, table=True):
    """What one person said of one row of a prediction log. `batch` is the version of the dataset of labels it is in."""

    __table_args__ = (UniqueConstraint("project", "request", "row", "by"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    project: str = Field(index=True)
    endpoint: str
    request: str  # with `row` the prediction's place in the log
    row: int
    version: int  # of the model that predicted it
    inputs: Json = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    why: str  # it was asked
    by: str = Field(index=True)
    label: str
    at: float
    held_out: bool  # never learnt from: what is learnt from the others is measured on it
    batch: int | None = None
