"""One run, as people and programs see it."""

from __future__ import annotations

from typing import Any

from app.output import At, Output, Styled, Table
from app.views.facts import last, run_facts, run_status, seconds, stage_facts, status
from runners.actions.runs import RunDetails, shown_metrics
from screens import figures
from storage.read.runs import RunRow
from storage.tables import IMPORTED, Run


def show_details(out: Output, found: RunDetails) -> None:
    """Everything about one run, the most asked first."""
    run = found.row.run
    out.emit(
        "run",
        run_facts(found.row),
        dataset=found.dataset,
        models=found.models,
        directory=found.directory,
        environment=found.environment,
        notes=[{"at": At(n.at), "user": n.user, "text": n.text} for n in found.notes],
        artifacts=[{"name": a.name, "bytes": a.bytes, "digest": a.digest} for a in found.artifacts],
        last_lines=found.last_lines,
        set_off_by=found.set_off_by,
    )
    for stage in found.stages:
        out.emit("stage", stage_facts(stage), run=run.id)
    out.finish(run=run.id)
    if out.json_lines:
        return
    out.say(f"run {run.id}  {run.name}", "bold")
    out.fields(_head(found))
    _stages(out, found)
    if found.row.params:
        _block(out, "params", found.row.params.items())
    if found.row.metrics:
        show_metrics(out, found.row)
    _block(out, "environment", _environment(found.environment))
    _block(out, "artifacts", ((a.name, figures.size(a.bytes)) for a in found.artifacts))
    _block(out, "notes", ((f"{figures.iso(n.at)} {n.user}", n.text) for n in found.notes))
    if found.last_lines:
        out.say("\nthe end of its log", "bold")
        for line in found.last_lines:
            out.say("  " + line)


def _head(found: RunDetails) -> list[tuple[str, Any]]:
    run = found.row.run
    took = run.ended_at - run.started_at if run.ended_at and run.started_at else None
    return [
        ("status", run_status(run)),
        ("next", "the same command takes it up again" if run_status(run).value == "left alone" else None),
        ("outcome", Styled(run.reason, "red" if run.status in ("failed", "invalid", "refused") else "")),
        ("project", f"{run.project}  {run.project_dir}"),
        ("dataset", found.dataset),
        ("model", ", ".join(found.models)),
        ("started", At(run.started_at)),
        ("took", figures.duration(took) if took is not None else None),
        ("attempt", str(run.attempt) if run.attempt > 1 else None),
        ("memory", _memory(run)),
        ("devices", ", ".join(run.devices)),
        ("by", f"{run.user} on {run.host}"),
        ("set off by", found.set_off_by),
        ("code", _code(run)),
        ("branch", run.branch),
        ("seed", str(run.seed)),
        ("tags", ", ".join(found.row.tags)),
        ("files", str(found.directory)),
    ]


def _code(run: Run) -> str:
    changes = " with changes" if run.dirty else ""
    if run.kind == IMPORTED:
        return f"not here; {run.commit[:12]}{changes}" if run.commit else "not here"
    return f"{run.commit[:12]}{changes}" if run.commit else f"{run.code[:12]} (no commit)"


def _memory(run: Run) -> str:
    """The most that its child held at once."""
    held = [(run.peak_rss_bytes, ""), (run.peak_gpu_bytes, " of one GPU")]
    return ", ".join(f"{figures.size(most)}{where}" for most, where in held if most)


def _stages(out: Output, found: RunDetails) -> None:
    if not found.stages:
        return
    table = Table(["stage", "status", "took", ""], align="llrl")
    table.rows = [
        [
            stage.name,
            status(stage.status),
            figures.duration(took) if (took := seconds(stage)) is not None else "",
            stage.reason.partition("\n")[0] or (f"from run {stage.cached_from}" if stage.cached_from else ""),
        ]
        for stage in found.stages
    ]
    out.say()
    out.table(table, aligned=True)


def show_metrics(out: Output, row: RunRow) -> None:
    """Last, lowest and highest value of each metric."""
    for name, metric in shown_metrics(row.metrics):
        facts = metric.model_dump(exclude={"run_id", "name", "last"})
        out.emit("metric", facts, run=row.run.id, name=name, last=last(metric))
    table = Table(["metric", "last", "lowest", "highest", "points", "not finite"], align="lrrrrl")
    table.rows = [
        [
            name,
            last(metric),
            metric.lowest if metric.count > 1 else None,
            metric.highest if metric.count > 1 else None,
            metric.count,
            Styled(f"from step {metric.nonfinite_step}", "red") if metric.nonfinite_step is not None else "",
        ]
        for name, metric in shown_metrics(row.metrics)
    ]
    if not any(row[5] for row in table.rows):
        table = Table(table.columns[:5], [row[:5] for row in table.rows], align="lrrrr")
    if not out.json_lines:
        out.say()
    out.table(table, aligned=True)


def _block(out: Output, title: str, pairs: Any) -> None:
    told = list(pairs)
    if told:
        out.say(f"\n{title}", "bold")
        out.fields([(f"  {name}", str(value)) for name, value in told])


def _environment(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """What is asked for first; all of it is in environment.json."""
    if not found:
        return []
    python, packages = found.get("python") or {}, found.get("packages") or {}
    cpu, driver = found.get("cpu") or {}, found.get("driver") or {}
    gpus = [f"{gpu.get('name')}, {figures.size(gpu.get('memory_bytes') or 0)}" for gpu in found.get("gpus") or []]
    cuda = f", CUDA {found['torch_cuda']}" if found.get("torch_cuda") else ""
    pairs = [
        ("python", f"{python.get('version', '')}  {python.get('executable', '')}"),
        ("torch", f"{packages['torch']}{cuda}" if "torch" in packages else ""),
        ("packages", str(len(packages))),
        ("cpu", f"{cpu.get('model', '')}, {cpu.get('usable', '')} of {cpu.get('count', '')} cores"),
        ("memory", figures.size(found.get("memory_bytes") or 0)),
        ("gpus", "; ".join(gpus)),
        ("driver", driver.get("version", "")),
        ("system", (found.get("platform") or {}).get("system", "")),
    ]
    return [(name, text) for name, text in pairs if text]
