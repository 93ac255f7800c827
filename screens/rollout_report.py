"""What a shadow or an A/B split has shown, as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import figures

if TYPE_CHECKING:
    from runners.actions.halves import Half, Halves
    from runners.actions.replaying import Replay
    from storage.shed import Shed

SLICES, EXAMPLES = 20, 12
VERDICTS = {"": "no difference is certain", "second": "the second is better", "production": "production is better"}


def report(shed: Shed, endpoint: str, kind: str) -> str:
    """Of the split or shadow that goes on at an endpoint, or was the last there; Markdown.

    Raises:
        UsageError: nothing has been answered yet.
    """
    from runners.actions import halves, replaying

    return (
        split_told(halves.halves(shed, endpoint)) if kind == "ab" else shadow_told(replaying.shadowed(shed, endpoint))
    )


def split_told(found: Halves) -> str:
    """Both halves, and which is better, if that is sure."""
    lines = [
        f"# {found.model}: v{found.production.version} and v{found.second.version} share the requests",
        "",
        f"| | version | rows | mean | with truth | {found.measure} |",
        "|---|---|---|---|---|---|",
        _half("production", found.production),
        _half("second", found.second),
        "",
    ]
    if found.difference is None:
        lines.append("Too few requests with a truth to tell which is better: `POST /feedback` brings it.")
    else:
        by, low, high = found.difference
        lines.append(f"**{VERDICTS[found.better]}**: {by:+.4g} ({low:+.4g} to {high:+.4g})")
    return "\n".join(lines)


def _half(name: str, half: Half) -> str:
    mean, score = (f"{value:.4g}" if value is not None else "" for value in (half.mean, half.score))
    return f"| {name} | v{half.version} | {half.rows:,} | {mean} | {half.judged:,} | {score} |"


def shadow_told(found: Replay) -> str:
    """How often, by how much and where the shadow says something else."""
    whole = found.whole
    before = ", ".join(f"v{number}" for number in sorted(found.before))
    lines = [
        f"# {found.model}: v{found.after} in the shadow of {before or 'nothing'}",
        "",
        f"**{whole.changed:,}** of {whole.rows:,} rows get another answer; {whole.apart:.4g} apart on average.",
        f"With truth: {whole.better:,} right only in the shadow, {whole.worse:,} only in production.",
    ]
    if found.slices:
        lines += ["", "| column | value | rows | changed | better | worse | apart |", "|---|---|---|---|---|---|---|"]
        lines += [
            f"| {_cell(each.column)} | {_cell(each.value)} | {each.rows:,} | {each.changed:,} | {each.better:,} "
            f"| {each.worse:,} | {each.apart:.4g} |"
            for each in found.slices[:SLICES]
        ]
    if found.examples:
        lines += ["", "# rows that change most", "", "| production | shadow | asked |", "|---|---|---|"]
        for pair in found.examples[:EXAMPLES]:
            given = ", ".join(f"{name}={value}" for name, value in pair.inputs.items())
            lines.append(f"| {_value(pair.before)} | {_value(pair.after)} | {_cell(given)} |")
    return "\n".join(lines)


def _value(value: object) -> str:
    return figures.number(value) if isinstance(value, int | float) else _cell(value)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
