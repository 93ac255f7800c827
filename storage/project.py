"""trainshed.toml: read, checked, and told apart line by line when something in it is wrong."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from storage.check_section import ChecksSection
from storage.errors import TrainshedError, UsageError, nearest
from storage.sections import Entry, Fault, Scalar, Section, Text, checked, kept, line_of, parsed
from storage.serve_section import ServeSection
from storage.sweep_section import Dimension, SweepSection
from storage.trigger_section import AlertsSection, TriggerSection

FILE_NAME = "trainshed.toml"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}$")]
OF_FILES = ("size", "folder")  # what can be told of files that are no tables without opening them
Task = Literal["binary", "multiclass", "regression"]
PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.\-]*)\}")  # of a command, as runners/userside/command.py fills it


def _param(value: Any) -> Any:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, (bool, int, float, str)) or (isinstance(item, float) and not math.isfinite(item)):
            raise ValueError(f"{item!r} cannot be a param; expected booleans, finite numbers, texts, or lists of them")
    return value


def _globs(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        if "" in (value if isinstance(value, list) else [value]):
            raise ValueError('a glob is empty; expected such as "data/*.csv"')
        return value
    raise ValueError(f'{value!r} is no glob; expected such as "data/*.csv", or a list of such')


Param = Annotated[Scalar | list[Scalar], BeforeValidator(_param)]
Globs = Annotated[str | list[str], BeforeValidator(_globs)]


class ProjectSection(Section):
    """`[project]`: the name (also the model's) and the interpreter that runs the user's code."""

    name: Name
    python: Text | None = None
    snapshot_diff: bool = True


class DatasetSection(Section):
    """`[dataset]`: which files, and how they become one table."""

    name: Name
    kind: Literal["table", "files"] = "table"
    files: Globs | None = None
    tables: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")], Globs] = Field(default_factory=dict)
    query: Text | None = None
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


class FeaturesSection(Section):
    """`[features]`: the target, and the raw columns that become the model's input.

    For a dataset of kind `files` the class folder is the target and `load` turns a path into an array.
    """

    target: Text | None = None
    task: Task
    numeric: list[Text] = Field(default_factory=list)
    categorical: list[Text] = Field(default_factory=list)
    load: Entry | None = None

    @model_validator(mode="after")
    def _each_column_once(self) -> FeaturesSection:
        uses = [("target", self.target), *(("numeric", name) for name in self.numeric)]
        uses += [("categorical", name) for name in self.categorical]
        first: dict[str, str] = {}
        for key, name in uses:
            if name is None:
                continue
            if name in first:
                both = f"twice in {key}" if first[name] == key else f"in {first[name]} and in {key}"
                rule = "the target is no input" if first[name] == "target" else "a column is one input"
                raise Fault(f'column "{name}" is named more than once, {both}; {rule}: take it out of {key}', key)
            first[name] = key
        return self


class SplitSection(Section):
    """`[split]`: how rows are shared out. `validation` and `test` are shares of all rows."""

    by: Literal["time", "random", "group", "stratified"] = "random"
    column: Text | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    seed: int = 0

    @model_validator(mode="after")
    def _column_where_needed(self) -> SplitSection:
        if self.by in ("time", "group") and not self.column:
            what = "that says how old a row is" if self.by == "time" else "whose values belong together"
            raise Fault(f'by = "{self.by}" needs column = "…", the column {what}', "by")
        if self.validation + self.test >= 1:
            raise Fault(
                f"validation and test together must leave rows to train on: {self.validation:g} + {self.test:g} of all"
                " rows leave none",
                "test" if "test" in self.model_fields_set else "validation",
            )
        return self


class RetrySmaller(Section):
    """`[train] retry_smaller`: two params that let a run which ran out of GPU memory go on with less of it."""

    halve: str
    double: str


class TrainSection(Section):
    """`[train]`: the user's function or command, its devices and its params."""

    entry: Entry | None = None
    command: Text | None = None
    gpus: Annotated[int, Field(ge=0)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
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
        if self.command is not None:
            self._check_command(self.command)
        return self

    def _check_command(self, command: str) -> None:
        try:
            shlex.split(command)
        except ValueError:
            raise Fault("a quote within it is not closed", "command") from None
        for name in PLACEHOLDER.findall(command):
            if name not in self.params:
                hint = nearest(name, self.params) or f'give it one, or write it without braces: "{name}"'
                raise Fault(f"{{{name}}}: [train.params] has no such param; {hint}", "command")


class GateSection(Section):
    """`[gate]`: every rule that is set must hold before `production` moves."""

    metric: Text | None = None
    min: float | None = None
    max: float | None = None
    beat_production_by: float | None = None
    slices: list[Text] = Field(default_factory=list)
    max_slice_drop: Annotated[float, Field(ge=0)] | None = None
    min_slice_rows: Annotated[int, Field(ge=1)] = 100
    parity: Annotated[float, Field(gt=0)] = 1e-4
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    min_rps: Annotated[float, Field(gt=0)] | None = None
    approve: Literal["auto", "manual"] = "auto"

    @model_validator(mode="after")
    def _rules_can_be_judged(self) -> GateSection:
        for rule in ("min", "max", "beat_production_by", "max_slice_drop"):
            if self.metric is None and getattr(self, rule) is not None:
                raise Fault('needs a metric; expected metric = "…" beside it', rule)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Fault(f"min = {self.min:g} is above max = {self.max:g}, so no model can pass", "min")
        if self.max_slice_drop is not None and not self.slices:
            raise Fault('needs slices; expected slices = ["column", …] beside it', "max_slice_drop")
        return self


class TrySection(Section):
    """`[test]`: how `trainshed test` makes this project quick, where the defaults do not."""

    rows: Annotated[int, Field(ge=50)] | None = None
    params: dict[str, Param] = Field(default_factory=dict)
    overfit: Annotated[float, Field(ge=0, lt=1)] = 0.3
    overfit_params: dict[str, Param] = Field(default_factory=dict)
    loss: Text | None = None


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

    @field_validator("split")
    @classmethod
    def _classes_to_stratify_by(cls, value: SplitSection, others: ValidationInfo) -> SplitSection:
        features = others.data.get("features")
        if value.by == "stratified" and value.column is None and features and features.task == "regression":
            raise Fault('a regression has no classes: give column = "…", or by = "random"', "by")
        return value

    @field_validator("test")
    @classmethod
    def _known_params(cls, value: TrySection, others: ValidationInfo) -> TrySection:
        train = others.data.get("train")
        if train is None:
            return value
        for key in ("params", "overfit_params"):
            for name, given in getattr(value, key).items():
                try:
                    of_params({name: given}, train.params)
                except UsageError as err:
                    raise Fault(f"{err.message}; {err.todo or f'expected {err.expected}'}", key, name) from None
        return value

    @field_validator("serve")
    @classmethod
    def _columns_to_keep_back(cls, value: ServeSection, others: ValidationInfo) -> ServeSection:
        features = others.data.get("features")
        inputs = [*features.numeric, *features.categorical] if features else []
        for key, names in (("drop", value.log.drop), ("hash", value.log.hash)):
            unknown = [name for name in names if name not in inputs]
            if inputs and unknown:
                hint = nearest(unknown[0], inputs) or f"expected one of {', '.join(inputs)}"
                raise Fault(f'"{unknown[0]}" is no input of the model, and no other is logged; {hint}', "log", key)
        return value

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
        own = self.features
        if self.dataset.kind == "table":
            if not own.target:
                raise Fault('target = "…" is missing, the column to predict', "features")
            if not own.numeric and not own.categorical:
                raise Fault("numeric and categorical are both empty, so the model would have no input", "features")
            if own.load:
                raise Fault('only kind = "files" is loaded; a table has its columns: leave it out', "features", "load")
        elif not own.load:
            raise Fault('kind = "files" needs load = "module:function", which makes an array of a path', "features")
        for key in ("numeric", "categorical", "target") if self.dataset.kind == "files" else ():
            if getattr(own, key):
                raise Fault('kind = "files" has no columns; the folder is the target, load makes x', "features", key)
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


@contextmanager
def placed(folder: Path) -> Iterator[None]:
    """Errors about a key, such as `[gate] metric`, leave with the file of the project and the line of the key."""
    try:
        yield
    except TrainshedError as err:
        key = re.fullmatch(r"\[(\w+)\](?: (\w+))?", err.place)
        path = folder / FILE_NAME
        if key is not None and path.is_file():
            text = path.read_text("utf-8", errors="replace")
            err.place = f"{path}:{line_of([each for each in key.groups() if each], text)}: {err.place}"
        raise


def check_project(raw: dict[str, Any], *, text: str = "", place: str = FILE_NAME) -> ProjectSpec:
    """Check an already parsed trainshed.toml; `text` is its source, for line numbers.

    Raises:
        UsageError: one error that lists every fault, each with its line and key.
    """
    return checked(ProjectSpec, raw, text=text, place=place)


def frozen(spec: dict[str, Any], run: str) -> ProjectSpec:
    """The settings that a run was frozen with, maybe by another version of trainshed; `run` is what it is called.

    Raises:
        UsageError: when this version does not understand them.
    """
    todo = "upgrade trainshed, or launch the project anew: `trainshed runs launch -p DIR`"
    return kept(ProjectSpec, spec, place=f"the settings of {run}", todo=todo)


def with_params(spec: ProjectSpec, overrides: dict[str, Any], *, said: str = "--set") -> ProjectSpec:
    """Return `spec` with `[train.params]` replaced where `overrides` name them; `said` is where they were given.

    Raises:
        UsageError: for a param that the project does not have.
    """
    params = {**spec.train.params, **of_params(overrides, spec.train.params, said=f"{said} ")}
    return spec.model_copy(update={"train": spec.train.model_copy(update={"params": params})})


def of_params(overrides: dict[str, Any], params: dict[str, Any], *, said: str = "") -> dict[str, Any]:
    """The values of `overrides` with the types that the params have.

    Raises:
        UsageError: for a param that is not there, or a value of another type.
    """
    for key in overrides:
        if key not in params:
            raise UsageError(
                f"{said}{key}: the project has no such param",
                expected="one of " + (", ".join(sorted(params)) or "[train.params], which is empty"),
                todo=nearest(key, params),
            )
    return {key: _same_type(f"{said}{key}", value, params[key]) for key, value in overrides.items()}


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
