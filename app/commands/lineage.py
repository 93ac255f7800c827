"""`trainshed lineage`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.output import Output, can_write
from app.scope import scope_of
from runners.actions.lineage import Node, trace
from screens import figures

app = typer.Typer(rich_markup_mode=None)
BRANCHES = ("├─ ", "└─ ", "│  ", "   ")
PLAIN = ("|- ", "`- ", "|  ", "   ")


@app.command()
def lineage(
    context: typer.Context,
    reference: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="A run (12), model (delays@v3), dataset (flights@v2), request id or digest."),
    ],
) -> None:
    """Walk from any id back to the files behind it, and on to what came of it."""
    scope = scope_of(context)
    out = scope.out
    found = trace(scope.shed(), " ".join(reference))
    out.emit("lineage", back=found.back, onward=found.onward, also=found.also)
    if out.json_lines:
        return
    _tree(out, found.back)
    if found.onward:
        out.say("\nwhat came of it", "bold")
        _branches(out, found.onward, "")
    for other in found.also:
        out.note(f"`trainshed lineage {other}` is another thing of that name")


def _tree(out: Output, node: Node) -> None:
    out.say(_line(node), "bold")
    _branches(out, node.children, "")


def _branches(out: Output, nodes: list[Node], indent: str) -> None:
    middle, last, down, nothing = BRANCHES if can_write(out.people, "├─└│") else PLAIN
    for place, node in enumerate(nodes):
        ending = place == len(nodes) - 1
        out.say(indent + (last if ending else middle) + _line(node), "dim" if node.kind == "more" else "")
        _branches(out, node.children, indent + (nothing if ending else down))


def _line(node: Node) -> str:
    if node.kind == "rule":
        return ("held    " if node.facts.get("held") else "broken  ") + node.title
    told = [text for name, value in node.facts.items() if (text := _fact(name, value))]
    return node.title + ("  " + " · ".join(told) if told else "")


def _fact(name: str, value: Any) -> str:
    """A fact in a few characters; words that explain themselves go without their name."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if name == "bytes":
        return figures.size(value)
    if name == "seconds":
        return figures.duration(value)
    if isinstance(value, dict):
        items = [f"{k} {figures.number(v) if isinstance(v, (int, float)) else v}" for k, v in list(value.items())[:5]]
        return ", ".join(items) + (", …" if len(value) > 5 else "")
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if name in ("digest", "content"):
        return str(value)[:12]
    if name in ("files", "rows"):
        return f"{value:,} {name if value != 1 else name[:-1]}"
    return str(value) if name in ("status", "is", "created", "started", "at") else f"{name} {value}"
