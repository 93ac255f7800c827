"""Why a run did not end well: the reason in words, the rules or checks that broke, the last lines, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult

from screens.glyphs import glyph
from screens.ink import Line, Span, line, span, wrapped
from screens.sections import Section
from screens.widgets.lines import Lines
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.runs import RunDetails
    from screens.run import Seen
    from storage.shed import Shed

ENDED_BADLY = ("failed", "invalid", "refused", "stopped")


class Why(Section):
    """The reason."""

    NAME, LETTER = "why", "w"

    def __init__(self) -> None:
        super().__init__(classes="section")

    def compose(self) -> ComposeResult:
        yield Lines()

    def answer(self, shed: Shed, run_id: int, question: None) -> None:
        return None

    def show(self, details: Seen, answer: None) -> None:
        self.query_one(Lines).flow(lambda width: told(details.run, width))


def told(details: RunDetails, width: int) -> list[Line]:
    """Everything that helps, in lines of `width` cells."""
    run = details.row.run
    broken = next((stage for stage in reversed(details.stages) if stage.status in ENDED_BADLY), None)
    lines: list[Line] = []
    head = {"refused": "The gate refused it", "invalid": "Data validation stopped it", "stopped": "It was stopped"}
    where = f" in {broken.name}" if broken is not None and run.status == "failed" else ""
    lines.append(
        [Span(head.get(run.status, f"It failed{where}"), "failed bold" if run.status != "stopped" else "bold")]
    )
    facts: dict[str, Any] = broken.facts if broken is not None else {}
    rules = [rule for rule in facts.get("verdicts") or [] if isinstance(rule, dict)]
    checks = [check for check in facts.get("checks") or [] if isinstance(check, dict) and not check.get("passed")]
    if rules:
        lines.append([])
        lines += [part for rule in rules for part in _rule(rule, width)]
    elif checks:
        lines.append([])
        lines += [part for check in checks for part in _check(check, width)]
    else:
        reason = run.reason or (broken.reason if broken is not None else "")
        lines += [[], *wrapped(reason, width, "failed" if run.status == "failed" else "")]
    lines += [[], *_todo(details)]
    if details.last_lines:
        lines += [[], [Span("the last lines of its log", "bold")]]
        lines += [[Span("  "), span(text, "dim")] for text in details.last_lines]
    return lines


def _rule(rule: dict[str, Any], width: int) -> list[Line]:
    held = bool(rule.get("passed"))
    first, *rest = wrapped(f"{rule.get('rule')}: {rule.get('text')}", width - 4, "dim" if held else "")
    sign = glyph("done" if held else "failed")
    return [[sign, Span(" "), *first], *([Span("  "), *part] for part in rest)]


def _check(check: dict[str, Any], width: int) -> list[Line]:
    stops = check.get("on_fail") == "stop"
    broken = check.get("count")
    count = f"  {counted(broken, 'row')}" if isinstance(broken, int) and broken else ""
    lines: list[Line] = [
        line(glyph("failed" if stops else "waiting"), " ", span(check.get("name", ""), "bold"), span(count))
    ]
    lines += (
        [[Span("  "), *part] for part in wrapped(str(check.get("text") or ""), width - 4, "dim")]
        if check.get("text")
        else []
    )
    return lines


def _todo(details: RunDetails) -> list[Line]:
    from storage.tables import IMPORTED

    run = details.row.run
    ways: list[tuple[str, str]] = []
    if run.kind == IMPORTED:
        return [[Span("The run was imported: its code is not here to go on with.", "dim")]]
    if run.status in ("failed", "stopped"):
        ways.append(("r", "resume it: it goes on from its last good stage and checkpoint"))
    if run.status in ("failed", "stopped", "refused", "invalid"):
        ways.append(("R", "start over, from exactly what it froze"))
    if run.status == "refused":
        ways.append(("5", "Models: the evidence side by side, and an override with a reason"))
    return [line(Span(key, "accent bold"), Span(f"  {text}", "dim")) for key, text in ways]
