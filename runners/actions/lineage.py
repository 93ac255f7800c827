"""Walk from any id back to the files behind it, and on to what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from runners.actions.runs import parsed_id
from runners.tracing.causes import code_nodes, firing_node
from runners.tracing.node import MOST_SHOWN, Node, cut, when
from storage import manifests, predictions
from storage.errors import ShedError, UsageError
from storage.read import datasets as read_datasets
from storage.read import endpoints as read_endpoints
from storage.read import lineage as read_lineage
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.read import triggers as read_triggers
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion, Decision, Endpoint, ModelVersion, Stage

__all__ = ["Lineage", "Node", "trace"]

RUN = re.compile(r"(?:run[ /#]?|r|#)?\d+", re.IGNORECASE)
DIGEST = re.compile(r"[0-9a-f]{6,64}")
REQUEST = re.compile(r"[0-9a-f]{24,40}")
NAMED = re.compile(r"(?:(?P<kind>model|dataset)[: ])?(?P<name>[^@\s]+)(?:(?:@| )(?P<which>\S+))?")


@dataclass
class Lineage:
    """`back` is the thing asked for with all it came from below it; `onward` what came of it."""

    back: Node
    onward: list[Node]
    also: list[str] = field(default_factory=list)  # other things that the same text could mean


def trace(shed: Shed, reference: str) -> Lineage:
    """The lineage of `12`, `r12`, `flight-delay@v3`, `flight-delay@production`, `flights@v2`, the start of a digest, or
    the id that an endpoint answered a request with.

    `model:` or `dataset:` before a name says which is meant where both have it.

    Raises:
        UsageError: when nothing is named so.
    """
    text = reference.strip()
    if RUN.fullmatch(text):
        run_id = parsed_id(text)
        if len(text) < 6 or not text.isdigit() or _is_run(shed, run_id):
            return Lineage(run_node(shed, run_id), _after_run(shed, run_id))
    named = NAMED.fullmatch(text)
    if named:
        found = _named(shed, named["kind"], named["name"], named["which"])
        if found is not None:
            return found
    if REQUEST.fullmatch(text):
        predicted = _of_request(shed, text)
        if predicted is not None:
            return predicted
    if DIGEST.fullmatch(text):
        return _of_digest(shed, text)
    raise UsageError(
        f"{reference!r} is nothing in this shed",
        expected="a run (12), a model (flight-delay@v3), a dataset (flights@v2), a request id, the start of a digest",
        todo="`trainshed models list`, `trainshed data list` and `trainshed runs list` show what there is",
    )


def _is_run(shed: Shed, run_id: int) -> bool:
    return bool(read_runs.count(shed, f"id={run_id}"))


def _named(shed: Shed, kind: str | None, name: str, which: str | None) -> Lineage | None:
    is_model = kind != "dataset" and read_models.find(shed, name) is not None
    is_dataset = kind != "model" and read_datasets.find(shed, name) is not None
    if is_model:
        version = read_models.version(shed, name, which)
        lineage = Lineage(version_node(shed, version), _after_version(shed, version))
        if is_dataset:
            lineage.also.append(f"dataset:{name}")
        return lineage
    if is_dataset:
        number = (which or "").removeprefix("v")
        if which is not None and not number.isdigit():
            raise UsageError(f"{name}@{which}: no such version", expected=f"a number, such as {name}@v2")
        data = read_datasets.version(shed, name, int(number) if which else None)
        return Lineage(dataset_node(shed, read_datasets.dataset(shed, name), data), _after_dataset(shed, data))
    return None


def _of_digest(shed: Shed, prefix: str) -> Lineage:
    matches = read_lineage.digest_matches(shed, prefix)
    if not matches:
        raise UsageError(f"no digest in this shed begins with {prefix}", todo="`trainshed models show` tells digests")
    nodes: dict[tuple[str, int], Node] = {}
    for match in matches:
        key = match.owner, match.owner_id
        if key not in nodes:
            nodes[key] = _owner_node(shed, *key)
    title = f"{matches[0].digest}" if len({m.digest for m in matches}) == 1 else f"{prefix}…"
    told = list(dict.fromkeys(match.what for match in matches))
    return Lineage(Node("object", title, prefix, {"is": told}, list(nodes.values())), [])


def _of_request(shed: Shed, request: str) -> Lineage | None:
    """The predictions of a request, from the log of whichever endpoint answered it."""
    for endpoint in read_endpoints.every(shed):
        rows = predictions.by_id(shed.endpoint_dir(endpoint.name) / "log", request)
        if rows:
            nodes = [_prediction_node(shed, endpoint, row) for row in rows[:MOST_SHOWN]]
            nodes[0].children.append(_served_by(shed, endpoint.model, rows[0]["version"]))
            whole = nodes[0] if len(rows) == 1 else Node("request", f"request {request}", request, children=nodes)
            return Lineage(whole, [])
    return None


def _prediction_node(shed: Shed, endpoint: Endpoint, row: dict[str, Any]) -> Node:
    facts = {
        "at": when(row["at"]),
        "said": row["output"],
        "truth": row["truth"],
        "ms": row["ms"],
        "route": row["route"],
        "digest": row["digest"],
        "inputs": {name: _shown(value) for name, value in row["inputs"].items()} if row["inputs"] else row["inputs"],
    }
    where = f", row {row['row']}" if row["row"] else ""
    return Node("prediction", f"prediction {row['id']}{where} by {endpoint.name}", row["id"], facts)


def _shown(value: Any) -> Any:
    """An input as it came; of a tensor, which may have a million values, its shape."""
    sizes, inner = [], value
    while isinstance(inner, list):
        sizes.append(len(inner))
        inner = inner[0] if inner else None
    return f"{' × '.join(map(str, sizes))} values" if len(sizes) > 1 else value


def _served_by(shed: Shed, model: str, number: int) -> Node:
    try:
        return version_node(shed, read_models.version(shed, model, f"v{number}"))
    except UsageError as err:  # it was removed; what it said stays
        return Node("missing", err.message)


def _owner_node(shed: Shed, owner: str, owner_id: int) -> Node:
    if owner == "run":
        return run_node(shed, owner_id)
    if owner == "model version":
        return version_node(shed, read_models.version_by_id(shed, owner_id)[1])
    return dataset_node(shed, *read_datasets.version_by_id(shed, owner_id))


def version_node(shed: Shed, version: ModelVersion) -> Node:
    """A model version, the gate's decision about it, and the run that made it."""
    model, _ = read_models.version_by_id(shed, version.id or 0)
    row = read_models.row(shed, model.name)
    aliases = [alias for alias, number in row.aliases.items() if number == version.number]
    node = Node(
        "model version",
        f"{model.name} v{version.number}",
        f"{model.name}@v{version.number}",
        {
            "status": version.status,
            "aliases": [alias for alias in aliases if alias != version.status],
            "created": when(version.created_at),
            "by": version.created_by,
            "digest": version.digest,
            "metrics": version.metrics,
        },
    )
    gate = read_models.latest_gate(shed, version.id or 0)
    if gate is not None:
        node.children.append(_gate_node(gate))
    node.children.append(run_node(shed, version.run_id))
    return node


def _gate_node(decision: Decision) -> Node:
    verdicts = decision.evidence.get("verdicts") or []
    facts: dict[str, Any] = {"at": when(decision.at), "run": decision.run_id}
    beaten = decision.evidence.get("production_version")
    if beaten is not None:
        facts["against"] = f"v{beaten}"
    rules = [
        Node("rule", f"{verdict.get('rule')}: {verdict.get('text')}", facts={"held": bool(verdict.get("passed"))})
        for verdict in verdicts
    ]
    return Node("gate", "gate passed" if decision.passed else "gate refused", facts=facts, children=rules)


def run_node(shed: Shed, run_id: int) -> Node:
    """A run with its code, params and stages, and the dataset version it read."""
    row = read_runs.row(shed, run_id)
    run = row.run
    code = run.code[:12] if not run.commit else run.commit[:12] + (" with changes" if run.dirty else "")
    node = Node(
        "run",
        f"run {run.id} {run.name}",
        str(run.id),
        {
            "status": run.status,
            "by": f"{run.user} on {run.host}",
            "started": when(run.started_at),
            "commit" if run.commit else "code": code or "not here",
            "params": row.params,
        },
    )
    node.children += code_nodes(shed, run)
    node.children += [_stage_node(stage) for stage in read_runs.stages(shed, run_id)]
    if run.dataset_version_id is not None:
        node.children.append(dataset_node(shed, *read_datasets.version_by_id(shed, run.dataset_version_id)))
    fired = read_triggers.of_run(shed, run_id)
    if fired is not None:
        node.children.append(firing_node(fired))
    return node


def _stage_node(stage: Stage) -> Node:
    facts: dict[str, Any] = {"status": stage.status}
    if stage.cached_from:
        facts["cached from"] = f"run {stage.cached_from}"
    elif stage.started_at is not None and stage.ended_at is not None:
        facts["seconds"] = round(stage.ended_at - stage.started_at, 3)
    return Node("stage", stage.name, facts=facts)


def dataset_node(shed: Shed, dataset: Dataset, version: DatasetVersion) -> Node:
    """A dataset version and its first files."""
    node = Node(
        "dataset version",
        f"{dataset.name} v{version.number}",
        f"{dataset.name}@v{version.number}",
        {
            "files": version.files,
            "rows": version.rows,
            "bytes": version.bytes,
            "created": when(version.created_at),
            "by": version.created_by,
            "content": version.content,
        },
    )
    try:
        files = list(manifests.load(shed.objects, version.manifest).entries())
    except ShedError as err:
        node.children.append(Node("missing", err.message))
        return node
    for file in files[:MOST_SHOWN]:
        node.children.append(Node("file", file.path, file.blake3[:12], {"bytes": file.size}))
    if len(files) > MOST_SHOWN:
        node.children.append(Node("more", f"and {len(files) - MOST_SHOWN:,} more files"))
    return node


def _after_run(shed: Shed, run_id: int) -> list[Node]:
    made = [_version_leaf(shed, version) for version in read_models.of_run(shed, run_id)]
    saved = [
        Node("artifact", artifact.name, artifact.digest[:12], {"bytes": artifact.bytes})
        for artifact in read_runs.artifacts(shed, run_id)
    ]
    reused = [
        Node("run", f"run {other} took over its {', '.join(stages)}", str(other))
        for other, stages in read_lineage.stages_cached_from(shed, run_id).items()
    ]
    return made + cut(saved, "artifacts") + cut(reused, "runs")


def _after_version(shed: Shed, version: ModelVersion) -> list[Node]:
    model, _ = read_models.version_by_id(shed, version.id or 0)
    decisions = [d for d in read_models.history(shed, model.name) if d.version_id == version.id and d.kind != "gate"]
    moves = [
        Node(
            "decision",
            f"{decision.kind} to {decision.alias}" if decision.alias else decision.kind,
            facts={"at": when(decision.at), "by": decision.user, "reason": decision.reason},
        )
        for decision in decisions
    ]
    after = [_version_leaf(shed, child) for child in read_lineage.versions_after(shed, version.id or 0)]
    return moves + cut(after, "versions")


def _after_dataset(shed: Shed, version: DatasetVersion) -> list[Node]:
    runs = [
        Node("run", f"run {run.id} {run.name}", str(run.id), {"status": run.status, "started": when(run.started_at)})
        for run in read_lineage.runs_of_dataset_version(shed, version.id or 0)
    ]
    models = [_version_leaf(shed, found) for found in read_lineage.versions_of_dataset_version(shed, version.id or 0)]
    return cut(models, "versions") + cut(runs, "runs")


def _version_leaf(shed: Shed, version: ModelVersion) -> Node:
    name = read_models.version_by_id(shed, version.id or 0)[0].name
    return Node("model version", f"{name} v{version.number}", f"{name}@v{version.number}", {"status": version.status})
