"""Runs side by side, as people and programs see them: tables, CSV, JSON, Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from app.output import Output, Styled, Table, can_write, json_line
from app.views.facts import run_facts
from runners.actions.comparison import Comparison
from runners.comparing.surroundings import Values
from screens import figures
from screens.inert import inert
from storage.tables import IMPORTED

SHOWN_LINES = 300  # of all code diffs, on a screen
WIDEST = 40  # characters of one value in a table; the other formats have all
MARKS = {"+": "green", "-": "red", "@": "cyan"}


def facts(found: Comparison) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        "runs": [run_facts(row) for row in found.runs],
        "params": found.params,
        "metrics": {
            m.name: {"values": m.values, "best": [found.runs[i].run.id for i in m.best]} for m in found.metrics
        },
        "origin": found.origin,
        "settings": found.settings,
        "environment": found.environment,
        "code": [
            {"base": diff.base, "runs": diff.runs, "files": [vars(file) for file in diff.files]} for diff in found.code
        ],
        "data": [
            {"base": diff.base, "runs": diff.runs, "old": diff.old, "new": diff.new, "changes": diff.sentences}
            for diff in found.data
        ],
    }


def as_json(found: Comparison) -> str:
    return json_line(facts(found)) + "\n"


def as_csv(found: Comparison) -> str:
    """A row for each thing that differs, a column for each run."""
    rows: list[list[Any]] = [["kind", "name", *(row.run.id for row in found.runs)]]
    for kind, name, values in _values(found):
        rows.append([kind, name, *values])
    for diff in found.code:
        for file in diff.files:
            said = [file.change if row.run.id in diff.runs else "" for row in found.runs]
            rows.append(["code", file.path, *said])
    for data in found.data:
        for sentence in data.sentences:
            rows.append(["data", sentence, *("differs" if row.run.id in data.runs else "" for row in found.runs)])
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def as_markdown(found: Comparison) -> str:
    """One table, the best of each metric in bold; then what changed in the data, and the code as a diff."""
    rows = []
    for kind, name, values in _values(found):
        best = next((metric.best for metric in found.metrics if metric.name == name), []) if kind == "metric" else []
        texts = [figures.number(v) if isinstance(v, float) else v or "" for v in values]
        rows.append([name, *(f"**{text}**" if i in best else text for i, text in enumerate(texts))])
    lines = [["", *_heads(found)], ["---"] * (len(found.runs) + 1), *rows]
    parts = ["\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)]
    for data in found.data:
        changes = "\n".join(f"- {_cell(sentence)}" for sentence in data.sentences)
        parts.append(f"### {_cell(data.old)} → {_cell(data.new)} (run {data.base} → {_those(data.runs)})\n\n{changes}")
    for diff in found.code:
        fence = "`" * (3 + max((line.count("`") for line in diff.lines), default=0))
        text = "\n".join(inert(line) for line in diff.lines)
        parts.append(f"### Code, run {diff.base} → {_those(diff.runs)}\n\n{fence}diff\n{text}\n{fence}")
    return "\n\n".join(parts) + "\n"


def show_tables(out: Output, found: Comparison) -> None:
    """For people: params, metrics, then everything else that differs."""
    if found.params:
        _table(out, found, "param", [[name, *values] for name, values in found.params.items()])
    else:
        out.say("the params are the same")
    if found.metrics:
        _metrics(out, found)
    parts = {"origin": found.origin, "setting": found.settings, "environment": found.environment}
    for title, values in parts.items():
        if values:
            rows: list[list[Any]] = [[name, *map(_short, texts)] for name, texts in values.items()]
            _table(out, found, title, rows)
    for data in found.data:
        out.say(f"\ndata: {data.old} → {data.new}  (run {data.base} → {_those(data.runs)})", "bold")
        for sentence in data.sentences or ["no difference"]:
            out.say("  " + sentence)
    _code(out, found)
    if not (any(parts.values()) or found.data or found.code):
        imported = any(row.run.kind == IMPORTED for row in found.runs)
        same = "code, data, settings and environment are the same"
        out.say("\n" + ("of an imported run nothing else is known" if imported else same))


def _metrics(out: Output, found: Comparison) -> None:
    mark = " ★" if can_write(out.people, "★") else " *"
    pad = " " * len(mark) if any(metric.best for metric in found.metrics) else ""
    rows: list[list[Any]] = []
    for metric in found.metrics:
        texts = ["" if value is None else figures.number(value) for value in metric.values]
        cells = [Styled(t + mark, "green") if i in metric.best else t + pad for i, t in enumerate(texts)]
        rows.append([metric.name, *cells])
    _table(out, found, "metric", rows)
    if not found.same_rows:
        out.say(f"{mark.strip()} the best among runs on the same test rows: which they had is told under origin", "dim")


def _code(out: Output, found: Comparison) -> None:
    left = SHOWN_LINES
    for diff in found.code:
        out.say(f"\ncode: run {diff.base} → {_those(diff.runs)}", "bold")
        for file in diff.files:
            out.say(f"  {file.change} {file.path}" + (f": {file.note}" if file.note else ""))
        for line in diff.lines[: max(0, left)]:
            out.say(line, "bold" if line.startswith(("+++", "---")) else MARKS.get(line[:1], ""))
        if len(diff.lines) > left:
            out.note(f"and {len(diff.lines) - max(0, left):,} more lines; --format markdown has them all")
        left -= len(diff.lines)


def _table(out: Output, found: Comparison, title: str, rows: list[list[Any]]) -> None:
    """A table a group of runs that fit beside each other."""
    out.say()
    heads = _heads(found)
    for group in _groups(out, [title, *heads], rows):
        table = Table([title, *(heads[i] for i in group)], [[row[0], *(row[i + 1] for i in group)] for row in rows])
        table.align = "l" + "r" * len(group)
        out.table(table, aligned=True)


def _groups(out: Output, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[list[int]]:
    """Places of runs whose columns fit into the terminal; at least one, and in a pipe all."""
    if not out.terminal:
        yield list(range(len(heads) - 1))
        return
    widths = [max(len(inert(_text(row[i]))) for row in [heads, *rows]) + 2 for i in range(len(heads))]
    room = get_terminal_size().columns - widths[0]
    group: list[int] = []
    for place, width in enumerate(widths[1:]):
        if group and sum(widths[i + 1] for i in group) + width > room:
            yield group
            group = []
        group.append(place)
    yield group


def _values(found: Comparison) -> Iterator[tuple[str, str, Sequence[Any]]]:
    for name, values in found.params.items():
        yield "param", name, values
    for metric in found.metrics:
        yield "metric", metric.name, metric.values
    parts: dict[str, dict[str, Values]] = {
        "origin": found.origin,
        "setting": found.settings,
        "environment": found.environment,
    }
    for kind, part in parts.items():
        for name, values in part.items():
            yield kind, name, values


def _heads(found: Comparison) -> list[str]:
    return [f"{row.run.id} {row.run.name}" for row in found.runs]


def _those(runs: list[int]) -> str:
    return ", ".join(map(str, runs))


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell.value if isinstance(cell, Styled) else cell)


def _cell(text: str) -> str:
    return inert(text).replace("|", "\\|").replace("\n", " ")
