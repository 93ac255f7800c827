"""Sweeps as people and programs see them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from app.output import At, Output, Styled, Table, can_write
from app.views.facts import COLOURS, status
from runners.actions.sweeps import Event, SweepDetails, TrialDetails
from runners.sweeps.search import Search
from screens import figures
from storage.read.sweeps import SweepRow

if TYPE_CHECKING:
    from runners.actions.sweeping import Started

BAR = 20
ENDED = ("done", "pruned", "failed", "stopped")


def announce(out: Output, started: Started) -> None:
    """Say what the sweep does, and what else there is to know."""
    sweep, search = started.sweep, started.search
    for remark in started.remarks:
        out.emit(str(remark["event"]), text=remark["text"])
        if remark["event"] == "warning":
            out.warn(str(remark["text"]))
        else:
            out.note(str(remark["text"]))
    out.emit("sweep", sweep=sweep.id, name=sweep.name, project=sweep.project, **search_facts(search))
    out.finish(sweep=sweep.id, status=sweep.status)
    named = "" if sweep.name == f"sweep-{sweep.id}" else f"  {sweep.name}"
    out.say(f"sweep {sweep.id}{named}: {search.trials} trials, {search.parallel} at once; {_aim(search)}", "green")
    out.say(f"  trainshed sweep follow {sweep.id}")


def show_list(out: Output, found: list[tuple[SweepRow, Search]], *, project: str | None) -> None:
    for row, search in found:
        out.emit("sweep", sweep_facts(row, search))
    out.finish(sweeps=len(found))
    table = Table(
        ["sweep", "name", "status", "trials", "pruned", "metric", "best", "user", "began"]
        + (["project"] if project is None else []),
        align="rllrrlrll",
    )
    table.rows = [
        [
            str(row.sweep.id),
            row.sweep.name,
            status(row.sweep.status),
            f"{sum(row.trials.get(word, 0) for word in ENDED)}/{search.trials}",
            row.trials.get("pruned", 0),
            search.metric,
            row.best.value if row.best else None,
            row.sweep.user,
            At(row.sweep.created_at),
            *([row.sweep.project] if project is None else []),
        ]
        for row, search in found
    ]
    if found:
        out.table(table)
    else:
        out.note("no sweeps" + (f" of {project}; --all-projects shows all" if project is not None else ""))


def show_sweep(out: Output, found: SweepDetails) -> None:
    """Everything about one sweep: how it stands, its trials, what made the difference."""
    sweep = found.sweep
    out.emit("sweep", _details_facts(found))
    for trial in found.trials:
        out.emit("trial", trial_facts(trial))
    if found.importance:
        out.emit("importance", params=found.importance)
    out.finish(sweep=sweep.id)
    if out.json_lines:
        return
    out.say(f"sweep {sweep.id}  {sweep.name}", "bold")
    out.fields(_head(found))
    if found.trials:
        out.say()
        out.table(_trials(out, found), aligned=True)
    failed = [trial for trial in found.trials if trial.why]
    if failed:
        out.say("\nfailed trials", "bold")
        out.fields([(f"  {trial.row.trial.number}", trial.why) for trial in failed])
    _importance(out, found)


def show_event(out: Output, event: Event, search: Search) -> None:
    """One line for each change of a trial."""
    out.emit("trial", {key: value for key, value in event.items() if key != "event"})
    if out.json_lines:
        return
    value = "" if event["value"] is None else f"  {search.metric} {figures.number(event['value'])}"
    at = f" at step {figures.number(event['last_step'])}" if event["status"] == "pruned" else ""
    params = "  ".join(f"{name}={_cell(value)}" for name, value in event["params"].items())
    line = f"trial {event['trial']:>3}  run {event['run']}  {event['status']}{at}{value}"
    out.say(f"{line}  {params}" if event["status"] == "queued" else line, COLOURS.get(event["status"], ""))


def search_facts(search: Search) -> dict[str, Any]:
    return {
        "metric": search.metric,
        "direction": search.direction,
        "value": search.value,
        "sampler": search.sampler,
        "pruner": search.pruner,
        "trials": search.trials,
        "parallel": search.parallel,
        "seed": search.seed,
        "finish": search.finish,
        "space": {name: each.model_dump(exclude_none=True) for name, each in search.space.items()},
    }


def sweep_facts(row: SweepRow, search: Search) -> dict[str, Any]:
    sweep = row.sweep
    return {
        "sweep": sweep.id,
        "name": sweep.name,
        "project": sweep.project,
        "status": sweep.status,
        "reason": sweep.reason,
        "user": sweep.user,
        "host": sweep.host,
        "created": At(sweep.created_at),
        "ended": At(sweep.ended_at),
        "counts": row.trials,
        "best": {"trial": row.best.number, "run": row.best.run_id, "value": row.best.value} if row.best else None,
        **search_facts(search),
    }


def trial_facts(found: TrialDetails) -> dict[str, Any]:
    trial, run = found.row.trial, found.row.run
    return {
        "trial": trial.number,
        "run": trial.run_id,
        "status": trial.status,
        "best": found.best,
        "value": trial.value,
        "latest": found.row.latest,
        "last_step": trial.last_step,
        "progress": run.progress if run else None,
        "seconds": run.seconds if run else None,
        "reason": found.why,
        "params": trial.params,
    }


def _details_facts(found: SweepDetails) -> dict[str, Any]:
    best = found.best.row.trial if found.best else None
    facts = sweep_facts(SweepRow(found.sweep, found.counts, best), found.search)
    final = found.final
    facts["saved_s"] = round(found.saved_s, 1)
    facts["final_run"] = {"run": final.id, "status": final.status, "reason": final.reason} if final else None
    return facts


def _head(found: SweepDetails) -> list[tuple[str, Any]]:
    sweep, search, final = found.sweep, found.search, found.final
    ended = sum(found.counts.get(word, 0) for word in ENDED)
    told = [f"{ended} of {search.trials}"]
    told += [f"{number} {word}" for word, number in found.counts.items() if word != "done"]
    took = (sweep.ended_at or time.time()) - sweep.created_at
    bad = {"failed": "red", "stopped": "yellow"}.get(sweep.status, "")
    return [
        ("status", status(sweep.status)),
        ("outcome", Styled(sweep.reason, bad) if sweep.reason else None),
        ("project", f"{sweep.project}  {sweep.project_dir}"),
        ("aim", _aim(search)),
        ("trials", ", ".join(told)),
        ("saved", f"about {figures.duration(found.saved_s)} by pruning" if found.saved_s >= 1 else None),
        ("then", f"run {final.id} takes the best to the gate: {final.status}" if final else None),
        ("began", At(sweep.created_at)),
        ("took", figures.duration(took)),
        ("by", f"{sweep.user} on {sweep.host}"),
    ]


def _aim(search: Search) -> str:
    """`maximize val/auroc (its best), tpe, asha`."""
    which = " (its best)" if search.value == "best" else ""
    pruner = "" if search.pruner == "none" else f", pruned by {search.pruner}"
    return f"{search.direction} {search.metric}{which}, drawn by {search.sampler}{pruner}"


def _trials(out: Output, found: SweepDetails) -> Table:
    names = list(found.search.space)
    mark = " ★" if can_write(out.people, "★") else " *"
    table = Table(
        ["trial", "run", "status", found.search.metric, "step", "took", *names], align="rrlrrr" + "r" * len(names)
    )
    for each in found.trials:
        trial, run = each.row.trial, each.row.run
        value = trial.value if trial.value is not None else each.row.latest
        shown = "" if value is None else figures.number(value)
        table.rows = [
            *table.rows,
            [
                str(trial.number),
                str(trial.run_id or ""),
                _status(each),
                Styled(shown + mark, "green") if each.best else shown + " " * len(mark),
                trial.last_step,
                figures.duration(run.seconds) if run and run.seconds is not None else "",
                *(_cell(trial.params.get(name)) for name in names),
            ],
        ]
    return table


def _status(found: TrialDetails) -> Styled:
    run = found.row.run
    if found.row.trial.status == "running" and run is not None and run.progress is not None:
        return Styled(f"running {run.progress:.0%}".replace("%", " %"), COLOURS["running"])
    if found.row.trial.status == "pruned":
        return Styled("pruned", "dim")
    return status(found.row.trial.status)


def _importance(out: Output, found: SweepDetails) -> None:
    if not found.importance:
        return
    block = "█" if can_write(out.people, "█") else "#"
    out.say("\nwhat made the difference, among the trials that are done", "bold")
    rows = [[f"  {name}", f"{share:.0%}", block * round(share * BAR)] for name, share in found.importance.items()]
    out.table(Table(["  param", "share", ""], rows, align="lrl"), aligned=True)


def _cell(value: Any) -> str:
    """A param's value as one would write it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
