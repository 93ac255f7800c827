"""gate: every rule must hold before an alias moves; production is evaluated again on the same newest test rows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from runners.evaluation import comparison, rules
from runners.evaluation.comparison import gate_metric
from runners.evaluation.scores import METRICS, known_metric, metrics_of
from runners.pipeline import Context
from storage.errors import GateRefused, RunFailed
from storage.project import ProjectSpec, placed
from storage.read import models as read_models
from storage.tables import ModelVersion
from storage.write import models as write_models

NAME = "gate"
VERSION = 2


def check_rules(project_dir: Path, spec: ProjectSpec) -> None:
    """Find a rule that can never be judged before anything is trained.

    A project's own `evaluate` may add metrics under any name, so then only a near miss of a usual one is a typo.

    Raises:
        UsageError: with the file, the line, the task's metrics and the nearest of them.
    """
    if spec.features is None or spec.gate.metric is None:
        return
    task, metric = spec.features.task, spec.gate.metric
    own = metric not in METRICS and _evaluates(project_dir, spec.train.entry)
    typo = bool(get_close_matches(metric, metrics_of(task), n=1, cutoff=0.85))
    with placed(project_dir):
        known_metric(metric, task, own=[metric] if own and not typo else [])


def _evaluates(project_dir: Path, entry: str | None) -> bool:
    """Whether the module of `entry` defines `evaluate`; by its text: the user's code does not run here."""
    if entry is None:
        return False
    path = project_dir.joinpath(*entry.partition(":")[0].split("."))
    for source in (path.with_suffix(".py"), path / "__init__.py"):
        if source.is_file():
            return (
                re.search(r"^(def evaluate\b|from .* import .*\bevaluate\b)", source.read_text("utf-8"), re.M)
                is not None
            )
    return True


def skipped(context: Context) -> str:
    if candidate(context) is None:
        return "no model version to judge"
    return ""


def candidate(context: Context) -> ModelVersion | None:
    """The version that this run packaged, as the registry knows it."""
    digest = context.facts("package").get("digest")
    return read_models.with_digest(context.shed, context.spec.project.name, digest) if digest else None


def rival(context: Context) -> ModelVersion | None:
    """The version to beat: production, or what was production when the candidate was judged, once it is production."""
    version = candidate(context)
    production = read_models.aliased(context.shed, context.spec.project.name, "production")
    if version is None or production is None or production.id != version.id:
        return production
    judged = read_models.latest_gate(context.shed, version.id or 0)
    digest = judged.evidence.get("production") if judged else None
    return read_models.with_digest(context.shed, context.spec.project.name, digest) if digest else None


def inputs(context: Context) -> dict[str, Any]:
    opponent = rival(context)
    return {
        "candidate": context.facts("package")["digest"],
        "production": opponent.digest if opponent else None,
        "evaluate": context.key("evaluate"),
        "package": context.key("package"),
        "rules": context.spec.gate.model_dump(exclude={"approve"}),
    }


def work(context: Context, out: Path) -> dict[str, Any]:
    version, opponent = candidate(context), rival(context)
    assert version is not None
    evidence = replace(comparison.evidence(context, opponent), **_under_load(context, version))
    verdicts = rules.judge(context.spec.gate, evidence)
    passed = all(verdict.passed for verdict in verdicts)
    facts = {
        "passed": passed,
        "verdicts": [verdict.to_json() for verdict in verdicts],
        "evidence": evidence.to_json(),
        "candidate": version.digest,
        "production": opponent.digest if opponent else None,
        "production_version": opponent.number if opponent else None,
        "metric": gate_metric(context) if context.spec.features else None,
    }
    failed = [verdict for verdict in verdicts if not verdict.passed]
    reason = "; ".join(verdict.text for verdict in failed)
    write_models.judge(context.shed, version.id or 0, context.run_id, passed=passed, evidence=facts, reason=reason)
    (out / "evidence.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    if failed:
        error = GateRefused(
            "the gate refused it\n  " + "\n  ".join(f"✗ {verdict.rule}: {verdict.text}" for verdict in failed),
            place=f"{context.spec.project.name} v{version.number}",
            todo=f"make it better, or `trainshed models promote {context.spec.project.name} v{version.number}"
            ' --override "reason"`',
        )
        error.facts = facts
        raise error
    return facts


def _under_load(context: Context, version: ModelVersion) -> dict[str, Any]:
    """What a trial endpoint does with it, where a rule asks for that."""
    rules_ = context.spec.gate
    if rules_.max_latency_ms is None and rules_.min_rps is None:
        return {}
    from runners.serving import loadtest  # nobody else who judges needs an endpoint

    try:
        name = context.spec.project.name
        return {"load": loadtest.tested(context.shed, name, version, context.spec.serve)}
    except RunFailed as err:
        return {"load_trouble": str(err)}


def summary(facts: dict[str, Any]) -> str:
    return f"{len(facts['verdicts'])} rules hold"
