"""Labelling: the predictions that are worth a person's look, one key a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message

from screens.acting import bindings
from screens.dialogs import Agreeing, Asking
from screens.ink import Line, Span, escaped, line, padded, span, wrapped
from screens.labels import agreed, gained, said
from screens.sections.rows import record
from screens.view import View
from screens.widgets.lines import Lines

if TYPE_CHECKING:
    from runners.actions.labelling import Candidate, Queue, State
    from storage.errors import TrainshedError
    from storage.shed import Shed


@dataclass(frozen=True)
class Found:
    """What is asked, and how the labels of the project stand."""

    queue: Queue
    state: State


class Card(Lines):
    """The row that is asked about. A key of a label is a label here, not what it is elsewhere."""

    @dataclass
    class Labelled(Message):
        """A key of a label."""

        label: str

    keys: dict[str, str]

    def __init__(self) -> None:
        super().__init__(id="card")
        self.keys = {}

    def on_key(self, event: events.Key) -> None:
        if event.character is not None and event.character in self.keys:
            event.stop()
            event.prevent_default()
            self.post_message(self.Labelled(self.keys[event.character]))


@dataclass
class Round:
    """How far one is: the place in the queue, and what was said of each row so far."""

    at: int = 0
    given: dict[int, str] = field(default_factory=dict)


class LabellingPage(View["Queue | None", Found]):
    """One row at a time; who labelled how much beside it."""

    PLACE = "labelling"
    VIEW = "serving"
    CSS_PATH = "styles/labelling.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("labelling")]

    def __init__(self, folder: Path, endpoint: str | None = None) -> None:
        super().__init__()
        self._folder, self._endpoint = folder, endpoint
        self._found: Found | None = None
        self._round = Round()

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(classes="pane", id="ask") as box:
                box.border_title = "what is worth a look …"
                yield Card()
            with Vertical(classes="pane", id="state") as box:
                box.border_title = "labels"
                yield Lines(id="people")

    def on_mount(self) -> None:
        self.query_one(Card).focus()

    # -- reading

    def question(self) -> Queue | None:
        return self._found.queue if self._found is not None else None

    def answer(self, shed: Shed, question: Queue | None) -> Found:
        from runners.actions import labelling

        queue = question or labelling.queue(shed, self._folder, endpoint=self._endpoint)
        return Found(queue, labelling.state(shed, self._folder))

    def show(self, answer: Found) -> None:
        self._found = answer
        self.query_one(Card).keys = answer.queue.keys
        self.query_one("#people", Lines).flow(lambda width: state_lines(answer.state, width))
        self._show_card()

    def failed(self, err: TrainshedError) -> None:
        super().failed(err)
        if self._found is None:
            self.dismiss()

    def _show_card(self) -> None:
        found, card, box = self._found, self.query_one(Card), self.query_one("#ask")
        if found is None:
            return
        queue, here = found.queue, self._round
        candidate = self.candidate
        if candidate is None:
            told = "all of these are through" if queue.candidates else "nothing to label"
            box.border_title, box.border_subtitle = told, ""
            card.keys = {}
            card.flow(lambda width: through_lines(len(here.given), bool(queue.candidates)))
            return
        card.keys = queue.keys
        box.border_title = escaped(f"{queue.target}? · {here.at + 1} of {len(queue.candidates)} · {candidate.why}")
        box.border_subtitle = escaped("   ".join(f"{key} {name}" for key, name in queue.keys.items()) or "v: a number")
        chosen = here.given.get(here.at, "")
        card.flow(lambda width: asked_lines(queue, candidate, chosen, width))
        card.go_to(0)

    @property
    def candidate(self) -> Candidate | None:
        """What is asked about; None once all were."""
        candidates = self._found.queue.candidates if self._found is not None else []
        return candidates[self._round.at] if self._round.at < len(candidates) else None

    @on(Card.Labelled)
    async def _labelled(self, event: Card.Labelled) -> None:
        await self._give(event.label)

    async def _give(self, label: str) -> None:
        found, candidate, here = self._found, self.candidate, self._round
        if found is None or candidate is None:
            return
        queue = found.queue
        if await self.shell.carry_out(lambda shed: _answer(shed, queue, candidate, label), ""):
            here.given[here.at] = label
            here.at += 1
            self._show_card()

    # -- actions

    def why_not(self, name: str) -> str:
        if self._found is None and name != "back":
            return "The predictions are still looked through."
        if name == "skip" and self.candidate is None:
            return "There is nothing left to skip: n looks for more."
        if name == "undo" and not self._round.at:
            return "This is the first one."
        if name == "number" and (self.candidate is None or self._found is None or self._found.queue.keys):
            return "Here a key is a label."
        if name == "save" and self._found is not None and not self._found.state.unsaved:
            return "Nothing was labelled that is not saved."
        return super().why_not(name)

    def do_skip(self) -> None:
        self._round.at += 1
        self._show_card()

    async def do_undo(self) -> None:
        assert self._found is not None  # why_not has seen to it
        here, queue = self._round, self._found.queue
        here.at -= 1
        candidate, was = queue.candidates[here.at], here.given.pop(here.at, None)
        if was is not None:
            await self.shell.carry_out(lambda shed: _take_back(shed, queue, candidate), f"not {was} any more")
        self._show_card()

    def do_number(self) -> None:
        assert self._found is not None  # why_not has seen to it

        async def give(text: str | None) -> None:
            if text:
                await self._give(text)

        self.app.push_screen(Asking(f"{self._found.queue.target}?", placeholder="a number", needed=True), give)

    def do_more(self) -> None:
        self._found, self._round = None, Round()
        self.query_one("#ask").border_title = "what is worth a look …"
        self.refetch()

    def do_save(self) -> None:
        folder = self._folder

        async def save(agreed_to: str | None) -> None:
            if agreed_to is not None:
                await self.shell.carry_out(lambda shed: _finish(shed, folder), lambda told: told)

        told: list[Line] = [
            [Span("What was labelled and is undisputed becomes a version of the dataset of labels, with who said it;")],
            [Span("the next run learns from it where [dataset] takes labels/*.parquet in.")],
        ]
        self.app.push_screen(Agreeing("save the labels", told, verb="save them"), save)


def asked_lines(queue: Queue, candidate: Candidate, chosen: str, width: int) -> list[Line]:
    """The row, what the model said of it, and the keys."""
    keys: list[Line] = [
        line(
            "  ",
            Span(key, "accent bold"),
            "  ",
            span(name, "done bold" if name == chosen else ""),
            "  ✓" if name == chosen else "",
        )
        for key, name in queue.keys.items()
    ] or [line("  ", Span("v", "accent bold"), "  a number")]
    return [
        line(span(queue.target, "bold"), "?"),
        *keys,
        [],
        line(Span("the model said ", "dim"), span(said(candidate), "bold"), span(f"   v{candidate.version}", "faint")),
        *wrapped(f"asked: {candidate.why}", width, "dim"),
        *([[Span("kept to measure on, not learnt from", "dim")]] if candidate.held_out else []),
        [],
        *record(list(candidate.values), tuple(candidate.values.values()), width),
    ]


def through_lines(given: int, some: bool) -> list[Line]:
    """What stands where nothing is asked."""
    if not some:
        return [
            [],
            [Span("Nothing to label.", "bold")],
            [],
            [Span("No prediction is left whose truth nobody knows and that you have not labelled.", "dim")],
        ]
    return [
        [],
        [Span(f"{given:,} labelled.", "bold")],
        [],
        line(Span("F", "accent"), Span(" saves them as a version of the dataset of labels", "dim")),
        line(Span("n", "accent"), Span(" looks for more", "dim")),
    ]


def state_lines(state: State, width: int) -> list[Line]:
    """Who labelled how much, how far people agree, what the last batch was worth."""
    lines: list[Line] = [
        [*padded([span(person)], min(20, width - 8)), Span(f"{count:,}".rjust(7), "bold")]
        for person, count in state.by.items()
    ] or [[Span("none yet", "dim")]]
    lines += [[], line(Span(f"{state.unsaved:,}", "bold"), Span(" not saved yet", "dim"))]
    if state.agreement:
        lines += [[], [Span("agreement", "bold")]]
        lines += [part for each in state.agreement for part in wrapped(agreed(each), width)]
    if state.gain is not None:
        lines += [[], [Span("worth of the last batch", "bold")], *wrapped(gained(state.gain), width)]
    return lines


def _answer(shed: Shed, queue: Queue, candidate: Candidate, label: str) -> None:
    from runners.actions import labelling

    labelling.answer(shed, queue, candidate, label)


def _take_back(shed: Shed, queue: Queue, candidate: Candidate) -> None:
    from runners.actions import labelling

    labelling.take_back(shed, queue, candidate)


def _finish(shed: Shed, folder: Path) -> str:
    from runners.actions import labelling

    done = labelling.finish(shed, folder)
    told = f"{done.dataset} v{done.version}: {done.learnt} to learn from, {done.held_out} held out"
    told += f", {done.disputed} disputed" if done.disputed else ""
    return told if done.read else told + "\nthe project does not read them yet: docs/labelling.md shows how"
