"""The shed at one moment: a panel for people, objects for programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from app.keys import typed
from app.output import Output, can_write, coloured
from app.panel import panel_under
from runners.actions.status import Served, Status
from screens import figures
from screens.inert import inert
from screens.steady import steadied

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.text import Text

EVERY_S = 1.0
MOST = 6  # lines of a kind
BAR = 20
SIGNS = {"need": "!", "run": "●", "queued": "◌", "serving": "●", "trouble": "✗", "more": "…"}
PLAIN = {"need": "!", "run": "*", "queued": "o", "serving": "*", "trouble": "x", "more": "."}


def show_status(out: Output, found: Status) -> None:
    """It once."""
    facts = status_facts(found)
    for need in facts["needs"]:
        out.emit("need", **need)
    for run in facts["runs"]:
        out.emit("run", **run)
    for queued in facts["queued"]:
        out.emit("queued", **queued)
    for endpoint in facts["endpoints"]:
        out.emit("endpoint", **endpoint)
    counts = {"needs": len(found.needs), "running": len(found.at_work), "queued": len(found.waiting)}
    out.finish(**counts, endpoints=len(found.served), machine=facts["machine"])
    if not out.json_lines:
        from rich.console import Console

        Console(file=out.people, highlight=False, no_color=not coloured(out.people)).print(_panel(out, found))


def watch_status(out: Output, look: Callable[[], Status], *, every_s: float = EVERY_S) -> None:
    """It in one panel below the prompt, drawn again as it changes, until q or Ctrl-C. Nothing above it is touched."""
    from rich.console import Console

    console = Console(file=out.people, highlight=False, no_color=not coloured(out.people))
    found, key = look(), ""
    shown: tuple[str, tuple[int, int]] | None = None
    with typed() as wait, panel_under(console) as shows, suppress(KeyboardInterrupt):
        while "q" not in key:
            seen = look()
            found = replace(seen, machine=steadied(found.machine, seen.machine))
            panel = _panel(out, found)
            told = str(panel.renderable), console.size
            if told != shown:
                shown = told
                shows.draw(panel)
            key = wait(every_s)


def status_facts(found: Status) -> dict[str, Any]:
    """For programs."""
    return {
        "needs": [asdict(need) for need in found.needs],
        "runs": [
            {
                "run": each.row.run.id,
                "name": each.row.run.name,
                "user": each.row.run.user,
                "progress": each.row.run.progress,
                "started_at": each.row.run.started_at,
            }
            for each in found.at_work
        ],
        "queued": [
            {
                "run": entry.run.id,
                "name": entry.run.name,
                "user": entry.run.user,
                "starts_in": outlook.starts_in.likely if outlook.starts_in is not None else None,
                "held": outlook.held,
            }
            for entry, outlook in found.waiting
        ],
        "endpoints": [
            {
                "endpoint": each.endpoint.name,
                "state": each.endpoint.state,
                "version": each.endpoint.version,
                "trouble": each.endpoint.trouble,
                "requests_per_second": each.rate.requests if each.rate is not None else None,
                "p99_ms": each.endpoint.latency_ms[1],
            }
            for each in found.served
        ],
        "machine": asdict(found.machine),
    }


def _panel(out: Output, found: Status) -> Panel:
    from rich.box import ASCII, ROUNDED
    from rich.panel import Panel
    from rich.text import Text

    nice = can_write(out.people, "╭●◌━╸│")
    signs = SIGNS if nice else PLAIN
    lines: list[Text] = [
        *_few(found.needs, lambda need: _line(signs["need"], "yellow", need.text, figures.ago(need.at, found.at))),
        *_few(found.at_work, lambda each: _working(each, found.at, signs, nice=nice)),
        *_few(found.waiting, lambda each: _queued(each, signs)),
        *_few(found.served, lambda each: _served(each, signs)),
        _machine(found),
    ]
    if len(lines) == 1:
        lines.insert(0, Text("nothing runs, waits, or needs you", "dim"))
    body = Text("\n").join(lines)
    body.no_wrap, body.overflow = True, "ellipsis"
    box = ROUNDED if nice else ASCII
    return Panel(body, box=box, title="trainshed", title_align="left", border_style="dim", padding=(0, 1))


def _few(every: list[Any], told: Callable[[Any], Text]) -> list[Text]:
    from rich.text import Text

    lines = [told(each) for each in every[:MOST]]
    more = len(every) - MOST
    return [*lines, Text(f"  and {more} more", "dim")] if more > 0 else lines


def _line(sign: str, style: str, text: str, aside: str = "") -> Text:
    from rich.text import Text

    return Text.assemble((f"{sign} ", style), inert(text), (f"  {inert(aside)}" if aside else "", "dim"))


def _working(each: Any, now: float, signs: dict[str, str], *, nice: bool) -> Text:
    run = each.row.run
    told = _line(signs["run"], "blue", f"{run.id} {run.name}", run.user)
    if run.progress is not None:
        full = round(min(1.0, run.progress) * BAR)
        told.append("  " + ("━" if nice else "=") * full, "blue")
        told.append(("─" if nice else "-") * (BAR - full), "dim")
        told.append(f" {run.progress * 100:3.0f} %")
    told.append(f"  {figures.about(max(0.0, now - (run.started_at or now)))}", "dim")
    return told


def _queued(each: Any, signs: dict[str, str]) -> Text:
    entry, outlook = each
    when = f"starts in {figures.about(outlook.starts_in.likely)}" if outlook.starts_in is not None else outlook.held
    return _line(signs["queued"], "dim", f"{entry.run.id} {entry.run.name}", f"{entry.run.user}  {when}")


def _served(each: Served, signs: dict[str, str]) -> Text:
    endpoint, rate = each.endpoint, each.rate
    well = endpoint.state == "serving"
    name = f"{endpoint.name} v{endpoint.version}" if endpoint.version is not None else endpoint.name
    told = _line(signs["serving" if well else "trouble"], "green" if well else "red", f"{name} {endpoint.state}")
    if rate is not None and well:
        told.append(f"  {rate.requests:.3g} requests/s")
        if rate.p99 is not None:
            told.append(f"  p99 ≤ {rate.p99:g} ms", "dim")
        if rate.failed:
            told.append(f"  {rate.failed:.2g} errors/s", "red")
    if endpoint.trouble:
        told.append(f"  {inert(endpoint.trouble)}", "yellow")
    return told


def _machine(found: Status) -> Text:
    from rich.text import Text

    now, parts = found.machine, []
    for gpu in now.gpus:
        known = gpu.memory_used is not None and gpu.memory_total
        used = f" {(gpu.memory_used or 0) / 1e9:.0f}/{(gpu.memory_total or 0) / 1e9:.0f} GB" if known else ""
        parts.append(f"{gpu.name} {gpu.percent or 0:.0f} %{used}")
    if now.cpu_percent is not None:
        parts.append(f"cpu {now.cpu_percent:.0f} % of {now.cores}")
    if now.memory_used is not None:
        parts.append(f"ram {figures.size(round(now.memory_used))} of {figures.size(round(now.memory_total))}")
    if now.disk_free is not None:
        parts.append(f"disk {figures.size(round(now.disk_free))} free")
    return Text("   ".join(parts), "dim")
