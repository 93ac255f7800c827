"""Dataset cards: what a dataset version holds, whether it was found sound, and what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runners.evaluation.scores import shown
from runners.reports.markdown import inert, minute, table
from storage.counted import counted

TOP_VALUES = 5
MOST_COLUMNS = 500


@dataclass(frozen=True)
class ColumnFacts:
    """A column and its profile.

    Attributes:
        type: one of trainshed's column types.
        nulls: how many rows are null.
        distinct: how many values there are, perhaps estimated.
        minimum, maximum: as text; None where the type has no order or the column no value.
        mean: of a number.
        top: the most frequent values with their counts.
    """

    name: str
    type: str
    nulls: int | None = None
    distinct: int | None = None
    minimum: str | None = None
    mean: float | None = None
    maximum: str | None = None
    top: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class CheckFacts:
    """A check of data validation: `on_fail` is stop or warn, `count` is how many rows break it."""

    name: str
    on_fail: str
    passed: bool
    count: int = 0
    text: str = ""


@dataclass(frozen=True)
class DatasetCardFacts:
    """Everything that a dataset card tells.

    Attributes:
        content: the digest of the version's paths and hashes.
        tables: table name → its columns; empty for a dataset of kind `files`.
        classes: class folder → number of files, for a dataset of kind `files`.
        previous: the version before, None for the first.
        changes: what is new since then, one sentence each.
    """

    dataset: str
    version: int
    kind: str
    files: int
    rows: int | None
    bytes: int
    content: str
    created_at: float
    created_by: str
    by_reference: bool = False
    note: str = ""
    tables: Mapping[str, tuple[ColumnFacts, ...]] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[CheckFacts, ...] = ()
    previous: int | None = None
    changes: tuple[str, ...] = ()


def dataset_card(facts: DatasetCardFacts) -> str:
    """Return the dataset card of one dataset version, in Markdown."""
    sections = [
        f"# {inert(facts.dataset)} v{facts.version}",
        _summary(facts),
        *(_columns(name, columns, len(facts.tables) == 1) for name, columns in facts.tables.items()),
        _classes(facts.classes),
        _checks(facts.checks),
        _changes(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _summary(facts: DatasetCardFacts) -> str:
    lines = [
        f"- Kind: {inert(facts.kind)}",
        f"- Files: {facts.files:,}, {facts.bytes:,} bytes" + (", kept by reference" if facts.by_reference else ""),
    ]
    if facts.rows is not None:
        lines.append(f"- Rows: {facts.rows:,}")
    lines.append(f"- Content: {inert(facts.content)}")
    lines.append(f"- Made by {inert(facts.created_by)}, {minute(facts.created_at)}")
    if facts.note:
        lines.append(f"- Note: {inert(facts.note, 400)}")
    return "\n".join(lines)


def _columns(name: str, columns: Sequence[ColumnFacts], only: bool) -> str:
    head = ["column", "type", "most frequent", "nulls", "distinct", "min", "mean", "max"]
    rows = [
        [
            inert(column.name),
            inert(column.type),
            ", ".join(f"{inert(value, 24)} ({count:,})" for value, count in column.top[:TOP_VALUES]),
            _count(column.nulls),
            _count(column.distinct),
            _text(column.minimum),
            "" if column.mean is None else shown(column.mean),
            _text(column.maximum),
        ]
        for column in columns[:MOST_COLUMNS]
    ]
    title = "## Columns" if only else f"## Columns of {inert(name)}"
    rest = len(columns) - len(rows)
    return f"{title}\n\n{table(head, rows, texts=3)}" + (f"\n\nAnd {counted(rest, 'more column')}." if rest else "")


def _classes(classes: Mapping[str, int]) -> str:
    if not classes:
        return ""
    rows = [[inert(name), f"{count:,}"] for name, count in classes.items()]
    return "## Classes\n\n" + table(["class", "files"], rows)


def _checks(checks: Sequence[CheckFacts]) -> str:
    if not checks:
        return ""
    rows = [
        [inert(c.name), inert(c.on_fail), "holds" if c.passed else "broken", inert(c.text, 200), f"{c.count:,}"]
        for c in checks
    ]
    return "## Checks\n\n" + table(["check", "if broken", "", "found", "rows"], rows, texts=4)


def _changes(facts: DatasetCardFacts) -> str:
    if facts.previous is None:
        return ""
    lines = [f"- {inert(change, 400)}" for change in facts.changes] or ["- Nothing."]
    return f"## Changes since v{facts.previous}\n\n" + "\n".join(lines)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _text(value: str | None) -> str:
    return "" if value is None else inert(value, 24)
