"""Model cards: what a model version is, what it was made of, how good it is, and where it is weak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runners.evaluation.bootstrap import Difference
from runners.evaluation.calibration import Bin
from runners.evaluation.rules import Verdict
from runners.evaluation.scores import METRICS, Confusion, shown
from runners.evaluation.slices import SliceRow
from runners.reports.markdown import inert, minute, printable, table
from storage.counted import counted
from storage.project import Task

MOST_SLICES = 40
MOST_CLASSES = 20


@dataclass(frozen=True)
class SplitPart:
    """One part of the split: `train`, `validation` or `test`; `first` and `last` are its borders, where it has any."""

    name: str
    rows: int
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class DataFacts:
    """The dataset version that the model was made of, and how its rows were shared out.

    `split` says how, in words ("by time, on time_hour"); `dropped` counts rows without a target.
    """

    dataset: str
    version: int
    files: int
    rows: int | None
    split: str
    parts: tuple[SplitPart, ...]
    dropped: int = 0


@dataclass(frozen=True)
class Compared:
    """Another model's metrics on the same test rows: production, or a yardstick."""

    name: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class LineageFacts:
    """Where the model comes from; `environment` is what matters of it: Python, torch, CUDA, GPU …"""

    run: int
    commit: str | None
    dirty: bool
    code: str
    environment: Mapping[str, str]
    parent: str = ""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the packaged model."""

    name: str
    type: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class PackageFacts:
    """The packaged model: its digest, size, signature, and what was measured of it."""

    digest: str
    bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parity: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None


@dataclass(frozen=True)
class ModelCardFacts:
    """Everything that a model card tells.

    Attributes:
        metric: the metric that the summary names and the slices are measured in.
        undefined: metrics that have no value on the test rows, with the reason.
        difference: how much better than production the model is in `metric`.
        min_slice_rows: slices with fewer rows are counted, not listed.
        residuals: quantiles of target − prediction, for a regression.
        limits: what else a user of the model must know.
    """

    model: str
    version: int
    created_at: float
    created_by: str
    task: Task
    target: str
    data: DataFacts
    lineage: LineageFacts
    package: PackageFacts
    metric: str
    metrics: Mapping[str, float]
    classes: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    production: Compared | None = None
    yardstick: Compared | None = None
    difference: Difference | None = None
    slices: tuple[SliceRow, ...] = ()
    min_slice_rows: int = 100
    calibration: tuple[Bin, ...] = ()
    residuals: Mapping[str, float] = field(default_factory=dict)
    confusion: Confusion | None = None
    verdicts: tuple[Verdict, ...] = ()
    limits: tuple[str, ...] = ()


def model_card(facts: ModelCardFacts) -> str:
    """Return the model card of one model version, in Markdown."""
    sections = [
        f"# {inert(facts.model)} v{facts.version}",
        _summary(facts),
        _data(facts),
        _features(facts),
        _params(facts.params),
        _metrics(facts),
        _slices(facts),
        _calibration(facts),
        _confusion(facts.confusion),
        _gate(facts.verdicts),
        _package(facts.package),
        _lineage(facts),
        _use(facts),
        _limits(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _summary(facts: ModelCardFacts) -> str:
    columns = len(facts.numeric) + len(facts.categorical)
    kind = {"binary": "a yes or no", "multiclass": f"one of {len(facts.classes)} classes", "regression": "a number"}
    source = f"{columns} columns of " if columns else ""
    text = f"Predicts {inert(facts.target)} ({kind[facts.task]}) from {source}{inert(facts.data.dataset)}"
    text += f" v{facts.data.version}. Made by {inert(facts.created_by)}, {minute(facts.created_at)}."
    if facts.metric in facts.metrics:
        rows = next((part.rows for part in facts.data.parts if part.name == "test"), 0)
        text += f" On {counted(rows, 'test row')} its {inert(facts.metric)} is {shown(facts.metrics[facts.metric])}"
        others = [other for other in (facts.production, facts.yardstick) if other and facts.metric in other.metrics]
        text += "".join(f"; {inert(other.name)} reaches {shown(other.metrics[facts.metric])}" for other in others) + "."
    return text


def _data(facts: ModelCardFacts) -> str:
    data = facts.data
    amount = counted(data.files, "file") + (f", {counted(data.rows, 'row')}" if data.rows is not None else "")
    lines = [f"- Dataset: {inert(data.dataset)} v{data.version}, {amount}", f"- Split: {inert(data.split)}"]
    if data.dropped:
        lines.append(f"- Dropped: {counted(data.dropped, 'row')} without a target")
    borders = any(part.first or part.last for part in data.parts)
    head = ["part", "from", "to", "rows"] if borders else ["part", "rows"]
    rows = [
        [inert(part.name), *([inert(part.first), inert(part.last)] if borders else []), f"{part.rows:,}"]
        for part in data.parts
    ]
    return "## Data\n\n" + "\n".join(lines) + "\n\n" + table(head, rows, texts=len(head) - 1)


def _features(facts: ModelCardFacts) -> str:
    lines = [f"- Target: {inert(facts.target)}"]
    for title, names in (("Classes", facts.classes), ("Numeric", facts.numeric), ("Categorical", facts.categorical)):
        if names:
            lines.append(f"- {title} ({len(names)}): {_some(names)}")
    return "## Features\n\n" + "\n".join(lines)


def _params(params: Mapping[str, object]) -> str:
    if not params:
        return ""
    return "## Params\n\n" + table(["param", "value"], [[inert(k), inert(v)] for k, v in params.items()], texts=2)


def _metrics(facts: ModelCardFacts) -> str:
    models = [
        Compared("this model", facts.metrics),
        *(other for other in (facts.production, facts.yardstick) if other is not None),
    ]
    rows = [
        [inert(name), _direction(name), *(_figure(model.metrics.get(name)) for model in models)]
        for name in facts.metrics
    ]
    text = "## Metrics\n\nOn the test rows.\n\n"
    text += table(["metric", "better", *(inert(model.name) for model in models)], rows, texts=2)
    if facts.difference is not None and facts.production is not None:
        gain = facts.difference
        text += f"\n\nIn {inert(facts.metric)} the model is {shown(abs(gain.value))} "
        text += f"{'better' if gain.value >= 0 else 'worse'} than {inert(facts.production.name)}"
        text += f" (95 % interval of the gain: {_figure(gain.low, '+')} to {_figure(gain.high, '+')})."
    if facts.undefined:
        text += "\n\nWithout a value here: "
        text += "; ".join(f"{inert(name)} ({inert(reason)})" for name, reason in facts.undefined.items()) + "."
    return text


def _slices(facts: ModelCardFacts) -> str:
    large = [row for row in facts.slices if row.rows >= facts.min_slice_rows]
    if not facts.slices:
        return ""
    sign = 1 if facts.metric not in METRICS or METRICS[facts.metric].higher_is_better else -1

    def badness(row: SliceRow) -> tuple[bool, float]:
        if facts.production is not None:
            return row.difference is None, row.difference or 0.0
        return row.candidate is None, sign * (row.candidate or 0.0)

    ordered = sorted(large, key=badness)
    text = f"## Slices\n\n{inert(facts.metric)} on parts of the test rows, the worst first"
    text += " (by what was lost against production)." if facts.production is not None else "."
    head = ["slice", "rows", "this model"]
    if facts.production is not None:
        head += [inert(facts.production.name), "gain"]
    rows = []
    for row in ordered[:MOST_SLICES]:
        name = f"{inert(row.column)} = {inert(row.value)}" + (f" ({inert(row.note)})" if row.note else "")
        cells = [name, f"{row.rows:,}", _figure(row.candidate)]
        if facts.production is not None:
            cells += [_figure(row.production), _figure(row.difference, sign="+")]
        rows.append(cells)
    if rows:
        text += "\n\n" + table(head, rows)
    hidden = [(len(ordered) - len(rows), "that did better"), (len(facts.slices) - len(large), _few(facts))]
    notes = [f"{count:,} {why}" for count, why in hidden if count]
    return text + (f"\n\nNot listed: {' and '.join(notes)}." if notes else "")


def _few(facts: ModelCardFacts) -> str:
    return f"with fewer than {counted(facts.min_slice_rows, 'row')}"


def _calibration(facts: ModelCardFacts) -> str:
    if not facts.calibration:
        return ""
    what = {
        "binary": "Of the rows with such a probability, how many were positive.",
        "multiclass": "Of the rows decided with such a probability, how many were decided rightly.",
        "regression": "Of the rows with such a prediction, the mean target.",
    }
    rows = [
        [f"{shown(b.low)} to {shown(b.high)}", shown(b.predicted), shown(b.observed), f"{b.rows:,}"]
        for b in facts.calibration
    ]
    text = f"## Calibration\n\n{what[facts.task]}\n\n"
    text += table(["predicted", "mean predicted", "observed", "rows"], rows)
    if facts.residuals:
        text += "\n\nQuantiles of target − prediction:\n\n"
        text += table([*map(inert, facts.residuals)], [[shown(v) for v in facts.residuals.values()]], texts=0)
    return text


def _confusion(confusion: Confusion | None) -> str:
    if confusion is None:
        return ""
    labels, matrix = confusion["labels"], confusion["matrix"]
    if len(labels) <= MOST_CLASSES:
        rows = [[inert(label), *(f"{n:,}" for n in counts)] for label, counts in zip(labels, matrix, strict=True)]
        return "## Confusion matrix\n\n" + table(["true ↓ predicted →", *map(inert, labels)], rows)
    mistakes = [
        (count, labels[i], labels[j]) for i, counts in enumerate(matrix) for j, count in enumerate(counts) if i != j
    ]
    most = sorted((m for m in mistakes if m[0]), key=lambda m: (-m[0], m[1], m[2]))[:MOST_CLASSES]
    rows = [[inert(true), inert(said), f"{count:,}"] for count, true, said in most]
    text = f"## Confusion matrix\n\nOf {len(labels)} classes, the most frequent mistakes.\n\n"
    return text + table(["true", "predicted", "rows"], rows, texts=2)


def _gate(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    rows = [[inert(v.rule), "holds" if v.passed else "broken", inert(v.text, 400)] for v in verdicts]
    return "## Gate\n\n" + table(["rule", "", "found"], rows, texts=3)


def _package(package: PackageFacts) -> str:
    lines = [f"- ONNX, {package.bytes:,} bytes, digest {inert(package.digest)}"]
    if package.parity is not None:
        lines.append(f"- Differs from the trained model by {shown(package.parity)} at most, on real rows")
    if package.latency_p99_ms is not None:
        half = f"{shown(package.latency_p50_ms)} ms in the middle, " if package.latency_p50_ms is not None else ""
        lines.append(f"- One row takes {half}{shown(package.latency_p99_ms)} ms at the 99th percentile")
    tensors = [("input", t) for t in package.inputs] + [("output", t) for t in package.outputs]
    rows = [[side, inert(t.name), inert(t.type), inert(" × ".join(map(str, t.shape)))] for side, t in tensors]
    return "## Package\n\n" + "\n".join(lines) + "\n\n" + table(["", "name", "type", "shape"], rows, texts=4)


def _lineage(facts: ModelCardFacts) -> str:
    lineage = facts.lineage
    commit = inert(lineage.commit) if lineage.commit else "none"
    lines = [
        f"- Run: {lineage.run}",
        f"- Commit: {commit}{', with uncommitted changes' if lineage.dirty else ''}",
        f"- Code: {inert(lineage.code)}",
        f"- Data: {inert(facts.data.dataset)} v{facts.data.version}",
    ]
    if lineage.parent:
        lines.append(f"- Parent: {inert(lineage.parent)}")
    if lineage.environment:
        lines.append("- Environment: " + ", ".join(f"{inert(k)} {inert(v)}" for k, v in lineage.environment.items()))
    return "## Lineage\n\n" + "\n".join(lines)


def _use(facts: ModelCardFacts) -> str:
    takes = "raw columns" if facts.numeric or facts.categorical else "tensors"
    text = f"## How to use\n\nOne ONNX file that takes {takes}, as listed under Package; any ONNX runtime runs it.\n\n"
    return text + f"    trainshed models export {printable(facts.model)} v{facts.version}"


def _limits(facts: ModelCardFacts) -> str:
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in _limit_lines(facts))


def _limit_lines(facts: ModelCardFacts) -> Iterator[str]:
    test = next((part for part in facts.data.parts if part.name == "test"), None)
    if test is not None and test.first and test.last:
        yield f"Measured on rows from {inert(test.first)} to {inert(test.last)}; of other times nothing is known."
    else:
        yield "Measured on rows set apart from the same data; of data from elsewhere nothing is known."
    if facts.categorical:
        yield "Categories that were not among the training rows all count as one unknown category."
    if facts.numeric:
        yield "A missing number counts as the median of the training rows."
    small = sum(row.rows < facts.min_slice_rows for row in facts.slices)
    if small:
        yield f"Slices with fewer than {counted(facts.min_slice_rows, 'test row')}: {small:,}; little is known of them."
    broken = [verdict.rule for verdict in facts.verdicts if not verdict.passed]
    if broken:
        yield f"Gate rules that do not hold: {_some(broken)}."
    if facts.lineage.dirty:
        yield "Trained with uncommitted changes: the commit alone does not give this model."
    yield from (inert(line, 400) for line in facts.limits)


def _direction(metric: str) -> str:
    if metric not in METRICS:
        return ""
    return "higher" if METRICS[metric].higher_is_better else "lower"


def _figure(value: float | None, sign: str = "") -> str:
    """A figure in a column of figures: the usual sizes get four decimals, so that they stand below each other."""
    if value is None:
        return ""
    if 0.001 <= abs(value) < 100 or value == 0:
        return f"{value:{sign}.4f}"
    return ("+" if sign and value > 0 else "") + shown(value)


def _some(names: Sequence[str], most: int = 60) -> str:
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(inert(name) for name in names[:most]) + rest
