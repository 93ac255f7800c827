"""What a run of the pipeline tells at its end: tables of metrics, slices and rules, and the model card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from runners.evaluation import scores
from runners.evaluation.bootstrap import Difference
from runners.evaluation.calibration import Bin
from runners.evaluation.comparison import gate_metric
from runners.evaluation.rules import Verdict
from runners.evaluation.slices import SliceRow
from runners.packaging.signature import Signature
from runners.pipeline import Context, Event
from runners.reports.model_cards import (
    Compared,
    DataFacts,
    LineageFacts,
    ModelCardFacts,
    PackageFacts,
    SplitPart,
    Tensor,
    model_card,
)
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.tables import ModelVersion

YARDSTICK = "yardstick/"  # a project's `evaluate` reports another model's metrics on the same rows under this name
MOST_SLICES = 12


def tables(context: Context, judged: dict[str, Any]) -> Iterator[Event]:
    """The metrics beside production and yardstick, the slices, and the gate's rules, as events."""
    evaluated = context.facts("evaluate")
    if evaluated:
        yield _metric_table(context, evaluated, judged)
        if evaluated["slices"]:
            yield _slice_table(context, evaluated, judged)
    if judged:
        yield _rule_table(judged)


def model_card_of(context: Context, version: ModelVersion, judged: dict[str, Any]) -> str:
    """The version's model card, from the facts of the stages and the gate's evidence."""
    features, spec = context.spec.features, context.spec
    assert features is not None
    evaluated, packaged, prepared = (context.facts(stage) for stage in ("evaluate", "package", "prepare"))
    metrics, yardstick = _own(evaluated)
    evidence = judged.get("evidence", {})
    signature = Signature.from_json(packaged["signature"])
    production = evidence.get("production")
    return model_card(
        ModelCardFacts(
            model=spec.project.name,
            version=version.number,
            created_at=version.created_at,
            created_by=version.created_by,
            task=features.task,
            target=features.target or "class folder",
            data=_data(context, prepared),
            lineage=_lineage(context, version),
            package=PackageFacts(
                digest=packaged["digest"],
                bytes=packaged["bytes"],
                inputs=tuple(Tensor(i.name, i.onnx, _shape(i.shape)) for i in signature.inputs),
                outputs=tuple(Tensor(o.name, o.onnx, _shape(o.shape)) for o in signature.outputs),
                parity=packaged["parity"],
                latency_p50_ms=packaged["latency"]["p50_ms"],
                latency_p99_ms=packaged["latency"]["p99_ms"],
            ),
            metric=gate_metric(context),
            metrics={**evaluated["metrics"], **metrics},
            classes=tuple(prepared["classes"]),
            numeric=tuple(features.numeric),
            categorical=tuple(features.categorical),
            params=spec.train.params,
            undefined=evaluated["undefined"],
            production=Compared(f"production v{judged['production_version']}", production) if production else None,
            yardstick=Compared("yardstick", yardstick) if yardstick else None,
            difference=Difference(**evidence["difference"]) if evidence.get("difference") else None,
            slices=tuple(SliceRow(**row) for row in evidence.get("slices") or evaluated["slices"]),
            min_slice_rows=spec.gate.min_slice_rows,
            calibration=tuple(Bin(**each) for each in evaluated["calibration"]),
            residuals=evaluated["residuals"],
            confusion=evaluated["confusion"],
            verdicts=tuple(Verdict(**verdict) for verdict in judged.get("verdicts", [])),
        )
    )


def _own(evaluated: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The project's own metrics, and those of its yardstick by their plain names."""
    own, yardstick = {}, {}
    for name, value in evaluated["own_metrics"].items():
        if name.startswith(YARDSTICK):
            yardstick[name.removeprefix(YARDSTICK)] = value
        else:
            own[name] = value
    return own, yardstick


def _metric_table(context: Context, evaluated: dict[str, Any], judged: dict[str, Any]) -> Event:
    own, yardstick = _own(evaluated)
    production = judged.get("evidence", {}).get("production") or {}
    columns = ["metric", "this model"]
    columns += [f"production v{judged['production_version']}"] if production else []
    columns += ["yardstick", "best" if production else "better"] if yardstick else []
    rows = []
    for name, value in {**evaluated["metrics"], **own}.items():
        values: list[float | None] = [value]
        values += [production.get(name)] if production else []
        values += [yardstick.get(name)] if yardstick else []
        best = [best_of(name, dict(zip(columns[1:-1], values, strict=True)))] if yardstick else []
        rows.append([name, *map(_shown, values), *best])
    title = f"metrics on {evaluated['rows']:,} test rows the model has not seen"
    return {"event": "table", "title": title, "columns": columns, "rows": rows, "align": "l" + "r" * (len(columns) - 1)}


def best_of(name: str, values: Mapping[str, float | None]) -> str:
    """Whose value of a metric is the best: `equal` where several share it, empty where there is nothing to compare
    or nobody can say which way is better."""
    known = {whose: value for whose, value in values.items() if value is not None}
    if len(known) < 2 or name not in scores.METRICS:
        return ""
    best = max(known.values()) if scores.higher_is_better(name) else min(known.values())
    of = [whose for whose, value in known.items() if value == best]
    return of[0] if len(of) == 1 else "equal"


def _slice_table(context: Context, evaluated: dict[str, Any], judged: dict[str, Any]) -> Event:
    metric = gate_metric(context)
    slices = [SliceRow(**row) for row in judged.get("evidence", {}).get("slices") or evaluated["slices"]]
    compared = any(row.production is not None for row in slices)
    columns = ["slice", "rows", metric, *(["production", "difference"] if compared else [])]
    rows = []
    for row in slices[:MOST_SLICES]:
        cells = [f"{row.column} = {row.value}", f"{row.rows:,}", _shown(row.candidate) or row.note]
        cells += [_shown(row.production), f"{row.difference:+.4f}" if row.difference is not None else ""] * compared
        rows.append(cells)
    left = len(slices) - len(rows)
    title = f"{metric} by slice" + (f" ({left} more in the model card)" if left else "")
    return {"event": "table", "title": title, "columns": columns, "rows": rows, "align": "l" + "r" * (len(columns) - 1)}


def _rule_table(judged: dict[str, Any]) -> Event:
    rows = [["✓" if rule["passed"] else "✗", rule["rule"], rule["text"]] for rule in judged["verdicts"]]
    return {
        "event": "table",
        "title": "the gate's rules",
        "columns": ["", "rule", "found"],
        "rows": rows,
        "align": "lll",
    }


def _shown(value: float | None) -> str:
    return "" if value is None else scores.shown(value)


def _data(context: Context, prepared: dict[str, Any]) -> DataFacts:
    split = prepared["split"]
    first = {"validation": split.get("validation_from") or "", "test": split.get("test_from") or ""}
    on = f", on {split['column']}" if split.get("column") else ""
    return DataFacts(
        dataset=context.dataset.name,
        version=context.version.number,
        files=context.version.files,
        rows=context.version.rows,
        split=f"by {split['by']}{on}",
        parts=tuple(
            SplitPart(part, prepared["rows"][part], first.get(part, "")) for part in ("train", "validation", "test")
        ),
        dropped=prepared["rows"]["dropped"],
    )


def _lineage(context: Context, version: ModelVersion) -> LineageFacts:
    """Of the run that made the version, which an identical later run only uses again."""
    run = read_runs.run(context.shed, version.run_id)
    path = context.shed.run_dir(version.run_id) / "environment.json"
    captured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    packages = captured.get("packages", {})
    environment = {"python": str(captured.get("python", {}).get("version", ""))}
    environment |= {name: packages[name] for name in ("torch", "scikit-learn", "onnx", "numpy") if name in packages}
    parent = ""
    if version.parent_version_id is not None:
        parent = f"v{read_models.version_by_id(context.shed, version.parent_version_id)[1].number}"
    return LineageFacts(
        run=version.run_id, commit=run.commit, dirty=run.dirty, code=run.code, environment=environment, parent=parent
    )


def _shape(shape: tuple[str | int | None, ...]) -> tuple[str | int, ...]:
    return tuple("?" if size is None else size for size in shape)
