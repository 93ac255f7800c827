"""validate: the data must be what the project says it is, before anything is trained on it."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import duckdb

from runners import calling, checks
from runners.checks import CheckResult
from runners.datasets.cards import write_card
from runners.opening import open_tables
from runners.pipeline import Context
from runners.stoppable import stoppable
from storage.check_section import ChecksSection
from storage.columns import literal
from storage.counted import counted
from storage.errors import DataInvalid, TrainshedError

NAME = "validate"
VERSION = 1


def skipped(context: Context) -> str:
    return ""


def inputs(context: Context) -> dict[str, Any]:
    spec = context.spec
    return {
        "data": context.version.content,
        "query": spec.dataset.query,
        "checks": spec.checks.model_dump(by_alias=True),
        "columns": checks.required_columns(spec),
        "code": context.run.code if spec.checks.module else None,
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    results = _table_results(context, out) if context.spec.dataset.kind == "table" else _files_results(context)
    facts: dict[str, Any] = {"checks": [result.to_json() for result in results], "files": context.version.files}
    (out / "report.json").write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")
    broken = [result for result in results if not result.passed]
    for result in broken:
        context.tell({"event": "warning", "text": f"{result.name}: {result.text}"})
    stopping = [result for result in broken if result.on_fail == "stop"]
    # Where the data cannot be profiled, or the disk is full, that they are broken is still the first thing to tell.
    with suppress(TrainshedError) if stopping else nullcontext():
        write_card(context.shed, context.dataset.name, context.version.number, facts["checks"])
    if stopping:
        raise _stopped(context, stopping, facts)
    return facts


def summary(facts: dict[str, Any]) -> str:
    broken = sum(not check["passed"] for check in facts["checks"])
    return f"{len(facts['checks'])} checks" + (f", {broken} to look at" if broken else " hold")


def _table_results(context: Context, out: Path) -> list[CheckResult]:
    needed = checks.required_columns(context.spec) if context.spec.dataset.query is None else None
    unlike = list(checks.file_checks(context.manifest, needed))
    if any(result.on_fail == "stop" for result in unlike):
        return unlike  # the files do not fit together, so questions to them would answer something else
    try:
        con = open_tables(context.shed, context.manifest, context.spec.dataset.query, writes_to=out)
    except duckdb.Error as err:
        text = str(err).splitlines()[0]
        return [CheckResult("the dataset's query", "stop", False, 1, text)]
    with con:
        results = [*unlike, *checks.presence_checks(con, context.spec)]
        if any(not result.passed and result.on_fail == "stop" for result in results):
            return results
        results += stoppable(con, lambda: _answers(con, context.spec.checks))
        if context.spec.checks.module:
            results += _own_results(context, con, out)
    return results


def _answers(con: duckdb.DuckDBPyConnection, asked: ChecksSection) -> list[CheckResult]:
    results = [checks.row_check(con, asked.min_rows), *checks.column_checks(con, asked.columns)]
    for name, check in asked.sql_checks.items():
        results.append(checks.sql_check(con, name, check.query, check.on_fail))
    return results


def _own_results(context: Context, con: duckdb.DuckDBPyConnection, out: Path) -> list[CheckResult]:
    """What the project's own function found, run in the child: it is the user's code."""
    module, on_fail = context.spec.checks.module or "", context.spec.checks.module_on_fail
    directory, rows = context.run_dir / "checks", out / "data.parquet"
    copy = f"copy (select * from data) to {literal(str(rows))} (format parquet)"
    stoppable(con, lambda: con.execute(copy))
    try:
        result = calling.call(
            context, "checks", module, directory=directory, out=directory / "out", data_file=str(rows)
        )
    finally:
        rows.unlink(missing_ok=True)
    found = [
        CheckResult(
            f"{module}: {failure['check']}",
            on_fail,
            False,
            int(failure.get("count", 1)),
            counted(int(failure.get("count", 1)), "row") if failure.get("count") else "",
            list(failure.get("rows", []))[: checks.SAMPLE_ROWS],
        )
        for failure in result["failures"]
    ]
    return found or [CheckResult(module, on_fail, True)]


def _files_results(context: Context) -> list[CheckResult]:
    least, found = context.spec.checks.min_rows, context.version.files
    text = "" if found >= least else f"{counted(found, 'file')}, expected at least {least:,}"
    return [CheckResult(f"at least {counted(least, 'file')}", "stop", found >= least, 0 if found >= least else 1, text)]


def _stopped(context: Context, stopping: list[CheckResult], facts: dict[str, Any]) -> DataInvalid:
    lines = [f"{result.name}: {result.text}" for result in stopping]
    for result in stopping[:3]:
        lines += ["    " + json.dumps(row, default=str, ensure_ascii=False) for row in result.rows[:2]]
    error = DataInvalid(
        "data validation stopped the pipeline\n  " + "\n  ".join(lines),
        place=f"{context.dataset.name} v{context.version.number}",
        todo=f"mend the data or the [checks]; `trainshed runs show {context.run_id}` has the whole report",
    )
    error.facts = facts
    return error
