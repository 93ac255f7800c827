"""A run as it goes on: one calm line a stage on a terminal, one line an event in a pipe."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from app.output import Output, can_write, coloured
from screens import figures
from screens.inert import inert

if TYPE_CHECKING:
    from rich.text import Text

PROGRESS_EVERY_S = 5.0
BAR = 24
Event = dict[str, Any]


class View(Protocol):
    """What is told of a run while it goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def run(self, event: Event) -> None: ...
    def stage(self, event: Event) -> None: ...
    def progress(self, event: Event) -> None: ...
    def remark(self, text: str, *, warning: bool) -> None: ...


def view_for(out: Output, stages: tuple[str, ...], head: str = "starting") -> View:
    """The live view on a terminal that can move its cursor, else plain lines. `head` stands above until there is a
    run."""
    if out.terminal and os.environ.get("TERM", "dumb") != "dumb":
        return LiveView(out, stages, head)
    return PlainView(out)


def run_line(event: Event) -> str:
    told = f"run {event.get('run')}  {event.get('name', '')}"
    if event.get("dataset"):  # what an agent starts names none
        told += f"  on {event['dataset']}"
    if event.get("resumed"):
        told += f"  taken up again, attempt {event['attempt']}" if event.get("attempt") else "  taken up again"
    return told


def outcome(event: Event) -> str:
    """`1.2 s`, `cached from run 11`, `skipped`: how a stage ended, without its text."""
    status = str(event.get("status", ""))
    if status == "cached":
        return f"cached from run {event['cached_from']}" if event.get("cached_from") else "cached"
    if status == "done" and event.get("seconds") is not None:
        return figures.duration(float(event["seconds"]))
    return status


def progress_text(event: Event) -> str:
    """`epoch 4/10  loss 0.412`."""
    metrics = event.get("metrics") or {}
    told = [f"{name} {figures.number(value)}" for name, value in metrics.items() if isinstance(value, (int, float))][:4]
    return "  ".join([*([str(event["text"])] if event.get("text") else []), *told])


def first_line(text: object) -> str:
    """An error of several lines is told in full at the end."""
    return str(text or "").partition("\n")[0]


class PlainView:
    """One line for each event worth it; progress every few seconds at most."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self._last_progress = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, err: object, trace: object) -> None:
        return None

    def run(self, event: Event) -> None:
        self.out.say(run_line(event))

    def stage(self, event: Event) -> None:
        self._last_progress = time.monotonic()
        text = first_line(event.get("text"))
        self.out.say(f"{event.get('stage', '')}: {outcome(event)}  {text}".rstrip())

    def progress(self, event: Event) -> None:
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_EVERY_S:
            return
        self._last_progress = now
        share = f"{event['share'] * 100:.0f} %  " if isinstance(event.get("share"), (int, float)) else ""
        self.out.say(f"{event.get('stage', '')}: {share}{progress_text(event)}".rstrip())

    def remark(self, text: str, *, warning: bool) -> None:
        if warning:
            self.out.warn(text)
        else:
            self.out.say(text)


@dataclass
class _Line:
    """The state of one stage's line."""

    status: str = "waiting"
    outcome: str = ""
    text: str = ""
    share: float | None = None
    began: float = 0.0


class LiveView:
    """All stages at once; the running one with its time, bar and metrics."""

    def __init__(self, out: Output, stages: tuple[str, ...], head: str = "starting") -> None:
        from rich.console import Console
        from rich.live import Live

        self._lines = {name: _Line() for name in stages}
        self._head = head
        rich = can_write(out.people, "✓●✗◌━╸⠋")
        self._glyphs = dict(
            zip(("ok", "bad", "wait", "full", "half", "rest"), "✓✗◌━╸─" if rich else "+x.##-", strict=True)
        )
        self._spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if rich else "|/-\\"
        self._console = Console(file=out.people, highlight=False, no_color=not coloured(out.people))
        self._live = Live(
            get_renderable=self._frame,
            console=self._console,
            refresh_per_second=4,
            redirect_stdout=not out.json_lines,  # with --json stdout is for programs alone
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: object, err: object, trace: object) -> None:
        for line in self._lines.values():
            if line.status == "running":
                line.status = "stopped"
        self._live.stop()

    def run(self, event: Event) -> None:
        self._head = run_line(event)

    def stage(self, event: Event) -> None:
        line = self._lines.setdefault(str(event.get("stage", "")), _Line())
        line.status, line.share = str(event.get("status", "")), None
        line.text = first_line(event.get("text"))
        line.outcome = outcome(event)
        if line.status == "running":
            line.began = time.monotonic()

    def progress(self, event: Event) -> None:
        line = self._lines.get(str(event.get("stage", "")))
        if line is not None:
            line.text = progress_text(event)
            share = event.get("share")
            line.share = min(max(float(share), 0.0), 1.0) if isinstance(share, (int, float)) else line.share

    def remark(self, text: str, *, warning: bool) -> None:
        from rich.text import Text

        parts: list[tuple[str, str]] = [("warning: ", "yellow")] if warning else []
        self._console.print(Text.assemble(*parts, inert(text)))

    def _frame(self) -> Text:
        from rich.text import Text

        width = max((len(name) for name in self._lines), default=0)
        middle = max((len(line.outcome) for line in self._lines.values() if line.status != "running"), default=0)
        frame = Text(no_wrap=True, overflow="ellipsis")
        frame.append(inert(self._head), style="bold")
        for name, line in self._lines.items():
            frame.append("\n")
            frame.append(f" {self._glyph(line)} ", style=_COLOURS.get(line.status, "red"))
            frame.append(inert(name).ljust(width), style="dim" if line.status in ("waiting", "skipped") else "")
            frame.append(f"  {self._middle(line).ljust(middle)}", style="dim")
            frame.append(f"  {inert(line.text)}")
        return frame

    def _glyph(self, line: _Line) -> str:
        if line.status == "running":
            return self._spinner[int(time.monotonic() * 4) % len(self._spinner)]
        return self._glyphs[
            {"done": "ok", "cached": "ok", "waiting": "wait", "skipped": "wait"}.get(line.status, "bad")
        ]

    def _middle(self, line: _Line) -> str:
        if line.status != "running":
            return inert(line.outcome)
        took = figures.duration(time.monotonic() - line.began).ljust(8)  # so that the bar stands still
        if line.share is None:
            return took
        full = round(line.share * BAR)
        bar = self._glyphs["full"] * full + self._glyphs["rest"] * (BAR - full)
        return f"{took}  {bar} {line.share * 100:3.0f} %"


_COLOURS = {"done": "green", "cached": "green", "running": "cyan", "waiting": "dim", "skipped": "dim"}
