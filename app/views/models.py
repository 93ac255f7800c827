"""Models, versions, gate decisions and history, as people and programs see them."""

from __future__ import annotations

from typing import Any

from app.output import At, Output, Styled, Table, can_write
from app.views.facts import decision_facts, status, version_facts
from runners.actions.models import VersionDetails
from screens import figures
from storage.read.models import ModelRow
from storage.tables import Decision


def show_models(out: Output, rows: list[ModelRow]) -> None:
    """One line a model."""
    lines = []
    for row in rows:
        newest = row.versions[0] if row.versions else None
        out.emit(
            "model",
            model=row.model.name,
            newest=newest.number if newest else None,
            status=newest.status if newest else None,
            aliases=row.aliases,
            versions=len(row.versions),
        )
        lines.append(
            [
                row.model.name,
                f"v{newest.number}" if newest else "",
                status(newest.status) if newest else "",
                At(newest.created_at if newest else None),
                "  ".join(f"{alias} v{number}" for alias, number in _ordered(row.aliases)),
            ]
        )
    out.finish(models=len(rows))
    if rows:
        out.table(Table(["model", "newest", "status", "created", "aliases"], lines, align="lrlll"))
    elif not out.json_lines:
        out.note("no models yet; `trainshed --batch` makes one")


def show_versions(out: Output, row: ModelRow) -> None:
    """All versions of a model, newest first."""
    for version in row.versions:
        out.emit("version", version_facts(row.model.name, version, row.aliases))
    table = Table(["version", "status", "aliases", "run", "created", "by"], align="rllrll")
    table.rows = [
        [
            f"v{version.number}",
            status(version.status),
            " ".join(alias for alias, number in _ordered(row.aliases) if number == version.number),
            str(version.run_id),
            At(version.created_at),
            version.created_by,
        ]
        for version in row.versions
    ]
    out.table(table, aligned=True)
    if not out.json_lines:
        out.say()


def show_version(out: Output, found: VersionDetails) -> None:
    """One version: what it is, how good it is, what the gate said."""
    version, name = found.version, found.model.name
    facts = version_facts(name, version, dict.fromkeys(found.aliases, version.number))
    gate = decision_facts(found.gate, {version.id or 0: version.number}) if found.gate else None
    out.emit("details", facts, dataset=found.dataset, parent=found.parent, signature=version.signature, gate=gate)
    out.finish(model=f"{name} v{version.number}", run=version.run_id)
    if out.json_lines:
        return
    out.say(f"{name} v{version.number}", "bold")
    out.fields(
        [
            ("status", status(version.status)),
            ("aliases", ", ".join(found.aliases)),
            ("task", version.task),
            ("run", str(version.run_id)),
            ("dataset", found.dataset),
            ("made against", f"v{found.parent}" if found.parent is not None else None),
            ("created", At(version.created_at)),
            ("by", version.created_by),
            ("digest", version.digest),
            ("inputs", ", ".join(_names(version.signature, "inputs"))),
            ("outputs", ", ".join(_names(version.signature, "outputs"))),
        ]
    )
    if version.metrics:
        out.say()
        out.table(Table(["metric", "test"], list(version.metrics.items()), align="lr"), aligned=True)
    if found.gate is not None:
        out.say()
        show_gate(out, found.gate)


def _names(signature: dict[str, Any], part: str) -> list[str]:
    entries = signature.get(part) or []
    return [str(entry.get("name", entry)) if isinstance(entry, dict) else str(entry) for entry in entries]


def show_gate(out: Output, decision: Decision) -> None:
    """Each rule with whether it held."""
    word = "passed" if decision.passed else "refused"
    out.say(f"the gate {word} it, {figures.iso(decision.at)}", "green" if decision.passed else "red")
    rich = can_write(out.people, "✓✗")
    for verdict in decision.evidence.get("verdicts") or []:
        held = bool(verdict.get("passed"))
        mark = ("✓" if held else "✗") if rich else ("+" if held else "x")
        out.say(f"  {mark} {verdict.get('rule')}: {verdict.get('text')}", "" if held else "red")


def show_history(out: Output, row: ModelRow, decisions: list[Decision]) -> None:
    """Every decision, oldest first."""
    numbers = {version.id or 0: version.number for version in row.versions}
    for decision in decisions:
        out.emit("decision", decision_facts(decision, numbers))
    out.finish(model=row.model.name, decisions=len(decisions))
    table = Table(["when", "who", "what", "version", "reason"], align="lllrl")
    table.rows = [
        [
            At(decision.at),
            decision.user,
            _what(decision, numbers),
            f"v{numbers.get(decision.version_id, '?')}",
            decision.reason.replace("\n", " "),
        ]
        for decision in decisions
    ]
    out.table(table)


def _what(decision: Decision, numbers: dict[int, int]) -> Styled:
    if decision.kind == "gate":
        return Styled("gate passed" if decision.passed else "gate refused", "green" if decision.passed else "red")
    told = f"{decision.kind} to {decision.alias}" if decision.alias else decision.kind
    if decision.previous_id is not None:
        told += f" (was v{numbers.get(decision.previous_id, '?')})"
    return Styled(told, {"override": "yellow", "rollback": "yellow", "reject": "red"}.get(decision.kind, ""))


def _ordered(aliases: dict[str, int]) -> list[tuple[str, int]]:
    first = ("production", "candidate", "previous")
    return sorted(aliases.items(), key=lambda item: (first.index(item[0]) if item[0] in first else len(first), item[0]))
