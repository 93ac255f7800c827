"""trainshed.toml: read, checked, and told apart line by line when something in it is wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from storage.errors import UsageError, nearest
from storage.sections import Fault, Section, checked, parsed
from storage.serve_section import ServeSection
from storage.sweep_section import Dimension, SweepSection
from storage.trigger_section import AlertsSection, TriggerSection

FILE_NAME = "trainshed.toml"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}$")]
Entry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
OF_FILES = ("size", "folder")  # what can be told of files that are no tables without opening them
ColumnType = Literal["integer", "number", "text", "boolean", "timestamp", "date", "other"]
Task = Literal["binary", "multiclass", "regression"]
OnFail = Literal["stop", "warn"]
Scalar = bool | int | float | str


def _param(value: Any) -> Any:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, (bool, int, float, str)) or (isinstance(item, float) and not math.isfinite(item)):
            raise ValueError(f"{item!r} cannot be a param; expected booleans, finite numbers, texts, or lists of them")
    return value


Param = Annotated[Scalar | list[Scalar], BeforeValidator(_param)]


class ProjectSection(Section):
    """`[project]`: the name (also the model's) and the interpreter that runs the user's code."""

    name: Name
    python: str | None = None
    snapshot_diff: bool = True


class DatasetSection(Section):
    """`[dataset]`: which files, and how they become one table."""

    name: Name
    kind: Literal["table", "files"] = "table"
    files: str | list[str] | None = None
    tables: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")], str | list[str]] = Field(
        default_factory=dict
    )
    query: str | None = None
    reference: bool = False

    @model_validator(mode="after")
    def _files_or_tables(self) -> DatasetSection:
        if bool(self.files) == bool(self.tables):
            raise ValueError('give either files = "data/*.csv" or tables = { name = "data/name.parquet" }')
        if self.kind == "files" and self.tables:
            raise ValueError('kind = "files" takes files = "…", not tables')
        if self.kind == "files" and self.query:
            raise ValueError('kind = "files" has no rows for a query; leave it out, or kind = "table"')
        if len(self.tables) > 1 and not self.query:
            raise ValueError("several tables need a query that joins them")
        return self

    @property
    def globs(self) -> dict[str, list[str]]:
        """Table name → its glob patterns; the only table of a project without `tables` is called `data`."""
        sources: dict[str, str | list[str]] = dict(self.tables) or {"data": self.files or []}
        return {name: [globs] if isinstance(globs, str) else list(globs) for name, globs in sources.items()}


class ColumnCheck(Section):
    """One entry of `[checks] columns`: the bounds a column must keep. `nulls` is the largest share of nulls, 0 to 1."""

    type: ColumnType | None = None
    min: float | None = None
    max: float | None = None
    nulls: Annotated[float, Field(ge=0, le=1)] | None = None
    within: list[Scalar] | None = Field(default=None, alias="in")
    matches: str | None = None
    unique: bool = False
    on_fail: OnFail = "stop"


class SqlCheck(Section):
    """One entry of `[checks] sql`: rows that the query returns are failures."""

    query: str
    on_fail: OnFail = "stop"


class ChecksSection(Section):
    """`[checks]`: what must hold for the data before anything is trained on it."""

    columns: dict[str, ColumnCheck] = Field(default_factory=dict)
    sql: dict[str, str | SqlCheck] = Field(default_factory=dict)
    min_rows: Annotated[int, Field(ge=0)] = 1
    module: Entry | None = None
    module_on_fail: OnFail = "stop"

    @property
    def sql_checks(self) -> dict[str, SqlCheck]:
        """Every SQL check in its long form."""
        return {k: SqlCheck(query=v) if isinstance(v, str) else v for k, v in self.sql.items()}


class FeaturesSection(Section):
    """`[features]`: the target, and the raw columns that become the model's input.

    For a dataset of kind `files` the class folder is the target and `load` turns a path into an array.
    """

    target: str | None = None
    task: Task
    numeric: list[str] = Field(default_factory=list)
    categorical: list[str] = Field(default_factory=list)
    load: Entry | None = None


class SplitSection(Section):
    """`[split]`: how rows are shared out. `validation` and `test` are shares of all rows."""

    by: Literal["time", "random", "group", "stratified"] = "random"
    column: str | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: int = 0

    @model_validator(mode="after")
    def _column_where_needed(self) -> SplitSection:
        if self.by in ("time", "group") and not self.column:
            raise ValueError(f'by = "{self.by}" needs column = "…"')
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave rows to train on")
        return self


class RetrySmaller(Section):
    """`[train] retry_smaller`: two params that let a run which ran out of GPU memory go on with less of it."""

    halve: str
    double: str


class TrainSection(Section):
    """`[train]`: the user's function or command, its devices and its params."""

    entry: Entry | None = None
    command: str | None = None
    gpus: Annotated[int, Field(ge=0)] = 1
    seed: int = 0
    timeout_minutes: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    params: dict[str, Param] = Field(default_factory=dict)
    retry_smaller: RetrySmaller | None = None  # behind params, which it is checked against

    @field_validator("retry_smaller")
    @classmethod
    def _of_integer_params(cls, value: RetrySmaller | None, others: ValidationInfo) -> RetrySmaller | None:
        params = others.data.get("params")
        if value is None or params is None:
            return value
        for key, name in (("halve", value.halve), ("double", value.double)):
            given = params.get(name)
            if name not in params:
                hint = nearest(name, params)
                raise ValueError(f'{key} = "{name}": [train.params] has no such param' + (f"; {hint}" if hint else ""))
            if not isinstance(given, int) or isinstance(given, bool) or given < 1:
                raise ValueError(f'{key} = "{name}": expected an integer of 1 or more, not {given!r}')
        if value.halve == value.double:
            raise ValueError("halve and double name one param; they must be two")
        return value

    @model_validator(mode="after")
    def _entry_or_command(self) -> TrainSection:
        if bool(self.entry) == bool(self.command):
            raise ValueError('give either entry = "pipeline:train" or command = "…"')
        return self


class GateSection(Section):
    """`[gate]`: every rule that is set must hold before `production` moves."""

    metric: str | None = None
    min: float | None = None
    max: float | None = None
    beat_production_by: float | None = None
    slices: list[str] = Field(default_factory=list)
    max_slice_drop: Annotated[float, Field(ge=0)] | None = None
    min_slice_rows: Annotated[int, Field(ge=1)] = 100
    parity: Annotated[float, Field(gt=0)] = 1e-4
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    min_rps: Annotated[float, Field(gt=0)] | None = None
    approve: Literal["auto", "manual"] = "auto"


class TrySection(Section):
    """`[test]`: how `trainshed test` makes this project quick, where the defaults do not."""

    rows: Annotated[int, Field(ge=50)] | None = None
    params: dict[str, Param] = Field(default_factory=dict)
    overfit: Annotated[float, Field(ge=0, lt=1)] = 0.3
    overfit_params: dict[str, Param] = Field(default_factory=dict)
    loss: str | None = None


class ProjectSpec(Section):
    """A whole trainshed.toml, checked."""

    project: ProjectSection
    dataset: DatasetSection
    train: TrainSection
    checks: ChecksSection = ChecksSection()
    features: FeaturesSection | None = None
    split: SplitSection = SplitSection()
    gate: GateSection = GateSection()
    test: TrySection = TrySection()
    # Of no matter to a run, which froze its params and its data.
    serve: ServeSection = Field(default=ServeSection(), exclude=True)
    sweep: SweepSection | None = Field(default=None, exclude=True)
    trigger: list[TriggerSection] = Field(default_factory=list, exclude=True)
    alerts: AlertsSection = Field(default=AlertsSection(), exclude=True)

    @field_validator("sweep")
    @classmethod
    def _space_of_known_params(cls, value: SweepSection | None, others: ValidationInfo) -> SweepSection | None:
        train = others.data.get("train")
        if value is None or train is None:
            return value
        space = {name: _of_param(name, each, train.params) for name, each in value.space.items()}
        return value.model_copy(update={"space": space})

    @field_validator("trigger")
    @classmethod
    def _triggers_fit(cls, value: list[TriggerSection], others: ValidationInfo) -> list[TriggerSection]:
        split = others.data.get("split")
        inputs = _inputs(others.data.get("dataset"), others.data.get("features"))
        names = [trigger.called for trigger in value]
        for place, trigger in enumerate(value):
            if names.index(trigger.called) < place:
                raise Fault(f'a second trigger called "{trigger.called}": give it a name = "…"', str(place), "name")
            if trigger.window is not None and split is not None and not split.column:
                raise Fault("needs [split] column, which says how old a row is", str(place), "backfill")
            unknown = [name for name in trigger.columns if name not in inputs] if inputs else []
            if unknown:
                hint = nearest(unknown[0], inputs) or f"expected one of {', '.join(inputs)}"
                raise Fault(f'"{unknown[0]}" is no input of the model; {hint}', str(place), "columns")
        return value

    @model_validator(mode="after")
    def _features_fit_the_dataset(self) -> ProjectSpec:
        if self.features is None:
            return self
        if self.dataset.kind == "table":
            if not self.features.target:
                raise ValueError("features: target is missing, the column to predict")
            if not self.features.numeric and not self.features.categorical:
                raise ValueError("features: numeric and categorical are both empty, so the model would have no input")
        elif not self.features.load:
            raise ValueError('features: kind = "files" needs load = "module:function", which makes an array of a path')
        elif self.features.numeric or self.features.categorical or self.features.target:
            raise ValueError('features: kind = "files" has no columns; the class folder is the target, load makes x')
        return self


def find_project(start: Path) -> Path:
    """Return the directory with trainshed.toml at or above `start`.

    Raises:
        UsageError: when there is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise UsageError(f"no {FILE_NAME} here or above", place=str(start), todo="`trainshed init` makes one")


def load_project(folder: Path, *, overrides: dict[str, Any] | None = None) -> ProjectSpec:
    """Read and check `folder/trainshed.toml`; `overrides` are params given with `--set`.

    Raises:
        UsageError: with the file, the line, the key, what was expected and the nearest right word.
    """
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"no {FILE_NAME} here", place=str(folder), todo="`trainshed init` makes one") from None
    raw, text = parsed(data, str(path))
    spec = check_project(raw, text=text, place=str(path))
    return with_params(spec, overrides or {})


def check_project(raw: dict[str, Any], *, text: str = "", place: str = FILE_NAME) -> ProjectSpec:
    """Check an already parsed trainshed.toml; `text` is its source, for line numbers.

    Raises:
        UsageError: one error that lists every fault, each with its line and key.
    """
    return checked(ProjectSpec, raw, text=text, place=place)


def with_params(spec: ProjectSpec, overrides: dict[str, Any], *, said: str = "--set") -> ProjectSpec:
    """Return `spec` with `[train.params]` replaced where `overrides` name them; `said` is where they were given.

    Raises:
        UsageError: for a param that the project does not have.
    """
    params = dict(spec.train.params)
    for key, value in overrides.items():
        if key not in params:
            raise UsageError(
                f"{said} {key}: the project has no such param",
                expected="one of " + (", ".join(sorted(params)) or "[train.params], which is empty"),
                todo=nearest(key, params),
            )
        params[key] = _same_type(f"{said} {key}", value, params[key])
    return spec.model_copy(update={"train": spec.train.model_copy(update={"params": params})})


def _inputs(dataset: DatasetSection | None, features: FeaturesSection | None) -> list[str]:
    """What drift is measured of; empty where the file does not say it."""
    if dataset is not None and dataset.kind == "files":
        return list(OF_FILES)
    return [*features.numeric, *features.categorical] if features is not None else []


def _of_param(name: str, dimension: Dimension, params: dict[str, Any]) -> Dimension:
    """The dimension with its values as the param has them. Raises Fault."""
    if name not in params:
        hint = nearest(name, params)
        raise Fault("[train.params] has no such param" + (f"; {hint}" if hint else ""), "space", name)
    example = params[name]
    if dimension.values is None:
        if not isinstance(example, (int, float)) or isinstance(example, bool):
            raise Fault(f"a range is for numbers, and the param is {example!r}: give a list", "space", name)
        for key in ("low", "high", "step"):
            given = getattr(dimension, key)
            if isinstance(example, int) and given is not None and not given.is_integer():
                raise Fault(f"{key} = {given:g}: the param is an integer, {example!r}", "space", name)
        return dimension
    try:
        values = [_same_type(name, value, example) for value in dimension.values]
    except UsageError as err:
        raise Fault(f"{err.message}; expected {err.expected}", "space", name) from None
    if any(value in values[:place] for place, value in enumerate(values)):
        raise Fault("a value stands in the list twice", "space", name)
    return dimension.model_copy(update={"values": values})


def _same_type(key: str, value: Any, example: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and not math.isfinite(value):
        raise UsageError(f"{key}={value!r}: no finite number", expected=f"a number, like {example!r}")
    if isinstance(example, str) and not isinstance(value, list):
        return value if isinstance(value, str) else str(value)
    if type(value) is type(example):
        return value
    if isinstance(example, float) and number:
        return float(value)
    if isinstance(example, int) and not isinstance(example, bool) and isinstance(value, float) and value.is_integer():
        return int(value)
    raise UsageError(f"{key}={value!r}: wrong type", expected=f"{type(example).__name__}, like {example!r}")
