"""What set a run off, and what code it was made with."""

from __future__ import annotations

from runners.tracing.node import MOST_SHOWN, Node, cut, when
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.read.triggers import FiringRow
from storage.shed import Shed
from storage.tables import Run


def firing_node(row: FiringRow) -> Node:
    """What set a run off: the trigger's firing, with the files or figures that it saw."""
    firing, evidence = row.firing, row.firing.evidence
    files = [
        Node(
            "file",
            str(file.get("path")),
            str(file.get("blake3") or "")[:12],
            {"is": file.get("change"), "rows": file.get("rows")},
        )
        for file in evidence.get("files", [])
    ]
    shifted = [
        Node("drift", f"{each['column']}: PSI {each['psi']:.2f}") for each in evidence.get("drift", [])[:MOST_SHOWN]
    ]
    facts = {"at": when(firing.at), "for": firing.by, "why": firing.why, "outcome": firing.outcome}
    facts |= {name: evidence[name] for name in ("commit", "cron", "due") if evidence.get(name)}
    return Node("firing", f"set off by trigger {row.trigger.name}", facts=facts, children=cut(files, "files") + shifted)


def code_nodes(shed: Shed, run: Run) -> list[Node]:
    """What is in the run's code beside its commit, and what differs from the code of the model before."""
    nodes = []
    if run.dirty:
        patch = shed.run_dir(run.id or 0) / "diff.patch"
        lines = patch.read_text(errors="replace").splitlines() if patch.is_file() else []
        counts = [sum(line.startswith(mark) and not line.startswith(mark * 3) for line in lines) for mark in "+-"]
        facts = {"lines": f"+{counts[0]} −{counts[1]}", "in": str(patch)} if lines else {}
        nodes.append(Node("diff", f"changes beside commit {(run.commit or '')[:12]}", facts=facts))
    if run.parent_version_id is not None:
        before = read_runs.run(shed, read_models.version_by_id(shed, run.parent_version_id)[1].run_id)
        ours, theirs = (each.snapshot.get("files") or {} for each in (run, before))
        paths = sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
        told = ", ".join(paths[:MOST_SHOWN]) or "nothing"
        facts = {"differs in": told, "see": f"trainshed runs compare {before.id} {run.id}"}
        nodes.append(Node("code", f"code against run {before.id}'s, whose model it had to beat", facts=facts))
    return nodes
