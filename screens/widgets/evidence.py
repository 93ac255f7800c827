"""What a gate found about a model version, rule by rule, against the version in production."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from screens import figures
from screens.glyphs import glyph
from screens.ink import Line, Span, joined, line, padded, span, wrapped
from screens.profiling import share
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.models import VersionDetails
    from storage.tables import Decision

FOREST = 15  # cells of the drawing of an interval
SHOWN_SLICES = 24
SHOWN_DECISIONS = 12


def evidence_lines(
    found: VersionDetails, history: Sequence[Decision], numbers: dict[int, int], width: int, least_rows: int = 0
) -> list[Line]:
    """Rules, metrics, slices, origin and history, the most asked first."""
    gate = found.gate
    lines: list[Line] = []
    if gate is None:
        lines.append([Span("No gate has judged this version.", "dim")])
    else:
        lines += rules(gate, width)
        lines += _flips(gate.evidence)
        lines += _metrics(gate.evidence, found.version.number, width)
        lines += _slices(gate.evidence, width, least_rows)
    lines += [[], *_origin(found)]
    if history:
        lines += [[], [Span("history", "bold")]]
        lines += [_decision(each, numbers, width) for each in list(reversed(history))[:SHOWN_DECISIONS]]
    return lines


def rules(gate: Decision, width: int) -> list[Line]:
    """Each rule with its sign; what was found in words."""
    lines: list[Line] = []
    indent = 23 if width >= 60 else 4
    for verdict in gate.evidence.get("verdicts") or []:
        held = bool(verdict.get("passed"))
        name = span(str(verdict.get("rule", "")).replace("_", " "), "" if held else "failed")
        told = wrapped(str(verdict.get("text", "")), max(20, width - indent), "dim" if held else "failed")
        head = [glyph("done" if held else "failed"), Span(" "), name]
        if indent > 4:
            lines.append([*padded(head, indent), *told.pop(0)])
        else:
            lines.append(head)
        lines += [[Span(" " * indent), *part] for part in told]
        if verdict.get("rule") == "beat_production_by":
            lines += _interval(gate.evidence, indent)
    return lines


def _interval(evidence: dict[str, Any], indent: int) -> list[Line]:
    difference = (evidence.get("evidence") or {}).get("difference") or {}
    value, low, high = (difference.get(name) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return []
    reach = max(abs(low), abs(high), 1e-12)
    return [
        [Span(" " * indent), *forest(low, value, high, reach, 31), Span(f" {value:+.4f}", _better(value, evidence))]
    ]


def forest(low: float, value: float, high: float, reach: float, width: int) -> list[Span]:
    """An interval around zero, from -reach to +reach: `──━━━●━┼──`."""

    def place(number: float) -> int:
        return min(width - 1, max(0, round((number / reach + 1) / 2 * (width - 1))))

    signs: list[Span] = []
    first, last, dot, zero = place(low), place(high), place(value), place(0.0)
    for cell in range(width):
        if cell == dot:
            signs.append(Span("●", "accent"))
        elif cell == zero:
            signs.append(Span("┼", "dim"))
        elif first <= cell <= last:
            signs.append(Span("━", "accent"))
        else:
            signs.append(Span("─", "faint"))
    return signs


def _flips(evidence: dict[str, Any]) -> list[Line]:
    """How many rows change their answer, and the key that shows them."""
    found = (evidence.get("evidence") or {}).get("flips")
    if not found:
        return []
    rows, flips = int(found["rows"]), int(found["flips"])
    told = f"{flips:,} of {counted(rows, 'row')} change their answer ({share(flips, rows)})"
    right = f": {int(found['better']):,} for the better, {int(found['worse']):,} for the worse   "
    return [[], line(Span(told, "bold"), right, Span("f", "accent"), Span(" shows them", "dim"))]


def _better(difference: float, evidence: dict[str, Any]) -> str:
    from runners.actions.comparison import less_is_better

    less = less_is_better(str(evidence.get("metric", "")))
    if less is None or difference == 0:
        return "bold"
    return "done bold" if (difference < 0) == less else "failed bold"


def _metrics(evidence: dict[str, Any], number: int, width: int) -> list[Line]:
    from runners.actions.comparison import less_is_better

    detail = evidence.get("evidence") or {}
    ours, theirs = detail.get("metrics") or {}, detail.get("production") or {}
    if not ours:
        return []
    beaten = evidence.get("production_version")
    wide = max(len(str(name)) for name in ours)
    head = padded([Span("metric", "dim")], wide) + padded([Span(f"v{number}", "dim")], 12, "r")
    if theirs:
        head += padded([Span(f"production v{beaten}" if beaten else "production", "dim")], 16, "r")
    lines: list[Line] = [[], head]
    for name, value in sorted(ours.items(), key=lambda item: item[0] != evidence.get("metric")):
        told = padded([span(name, "bold" if name == evidence.get("metric") else "")], wide)
        told += padded([Span(_number(value))], 12, "r")
        other = theirs.get(name)
        if isinstance(other, (int, float)) and isinstance(value, (int, float)):
            difference = value - other
            less = less_is_better(name)
            even = difference == 0 or less is None
            role = "dim" if even else "done" if (difference < 0) == less else "failed"
            told += padded([Span(_number(other), "dim")], 16, "r")
            told += padded([Span(f"{difference:+.4g}", role)], 12, "r")
        lines.append(told)
    return lines


def _slices(evidence: dict[str, Any], width: int, least_rows: int) -> list[Line]:
    slices = [
        each for each in (evidence.get("evidence") or {}).get("slices") or [] if each.get("difference") is not None
    ]
    if not slices:
        return []
    slices.sort(key=lambda each: (int(each["rows"]) < least_rows, float(each["difference"])))
    weighty = [abs(float(each["difference"])) for each in slices if int(each["rows"]) >= least_rows]
    reach = max(weighty, default=0.0) or 1.0
    named = [f"{each['column']} {each['value']}" for each in slices]
    wide = min(30, max(len(name) for name in named))
    lines: list[Line] = [[], [Span(f"{evidence.get('metric', '')} by slice, the worst first", "bold")]]
    for each, name in list(zip(slices, named, strict=True))[:SHOWN_SLICES]:
        difference = float(each["difference"])
        if int(each["rows"]) < least_rows:
            lines.append([span(f"{name}: {counted(int(each['rows']), 'row')}, too few to count", "faint")])
            continue
        told = padded([span(name)], wide) + padded([Span(counted(int(each["rows"]), "row"), "dim")], 13, "r")
        told += padded([Span(_number(each.get("candidate")))], 9, "r")
        told += padded([Span(_number(each.get("production")), "dim")], 9, "r")
        told += padded([Span(f"{difference:+.4f}", _better(difference, evidence).replace(" bold", ""))], 10, "r")
        if width >= wide + 41 + FOREST + 2:
            told += [Span("  "), *_lean(difference / reach, FOREST)]
        lines.append(told)
    if len(slices) > SHOWN_SLICES:
        lines.append([Span(f"and {len(slices) - SHOWN_SLICES} more", "dim")])
    return lines


def _lean(share: float, width: int) -> list[Span]:
    """A bar from the middle to the left (worse) or right (better)."""
    half = width // 2
    size = round(abs(share) * half)
    if share < 0:
        left = [Span(" " * (half - size)), Span("━" * size, "failed")]
        return [*left, Span("│", "faint"), Span(" " * half)]
    return [Span(" " * half), Span("│", "faint"), Span("━" * size, "done"), Span(" " * (half - size))]


def _origin(found: VersionDetails) -> list[Line]:
    version = found.version
    facts = [
        ("made by", f"run {version.run_id}  {figures.ago(version.created_at)} by {version.created_by}"),
        ("from", found.dataset or ""),
        ("made against", f"v{found.parent}" if found.parent is not None else ""),
        ("inputs", f"{len(version.signature.get('inputs') or [])} raw columns"),
        ("digest", version.digest),
    ]
    return [line(Span(f"{name:<14}", "dim"), span(text)) for name, text in facts if text]


def _decision(each: Decision, numbers: dict[int, int], width: int) -> Line:
    number = numbers.get(each.version_id)
    what = each.kind if each.kind != "gate" else ("gate passed" if each.passed else "gate refused")
    role = {"gate refused": "failed", "gate passed": "done", "override": "attention", "rollback": "attention"}.get(
        what, ""
    )
    told: list[Line] = [
        padded([Span(figures.ago(each.at), "dim")], 12, "r"),
        [span(f"v{number}" if number is not None else "", "bold")],
        [span(what + (f" to {each.alias}" if each.alias else ""), role)],
        [span(f"by {each.user}", "dim")],
        [span(" ".join(each.reason.split()), "dim")] if each.reason else [],
    ]
    return joined(told)


def _number(value: object) -> str:
    return figures.number(value) if isinstance(value, (int, float)) else ""
