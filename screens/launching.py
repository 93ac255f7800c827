"""The form that launches a run: the project's params and what it asks of the queue, and what would come of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input

from screens import figures
from screens.acting import Acting, ActingScreen, bindings
from screens.ink import Line, Span, escaped, folded, joined, line, span
from screens.outlook import AT_ONCE_S
from screens.queueing import queued
from screens.threads import beside, gone
from screens.widgets.field import Field, step
from screens.widgets.painted import Painted
from screens.widgets.run_head import STAGES

if TYPE_CHECKING:
    from runners.actions.prospects import ProjectSpec, Prospect
    from runners.actions.queueing import Launched
    from storage.shed import Shed

WISHES = ("gpus", "gpu memory", "priority", "after", "retries", "name", "tags", "until", "force")
AROUND = 6  # lines of the form that are no fields: its border, and what would come of it


@dataclass(frozen=True)
class Order:
    """What was typed, checked: only what differs from the defaults. `memory` in bytes on each GPU."""

    params: dict[str, Any]
    gpus: int | None = None
    memory: int | None = None
    priority: int = 0
    retries: int | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    until: str | None = None
    after: tuple[int, ...] = ()
    force: bool = False


class Told(Painted):
    """What would come of it, in a line or two; or how long the freezing has taken."""

    def __init__(self) -> None:
        super().__init__(id="prospect")
        self._lines: list[Line] = [[]]

    def show(self, lines: list[Line]) -> None:
        self._lines = lines
        self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        lines = [part for each in self._lines for part in folded(each, width)]
        return [*lines, []][: max(2, len(lines))]


class Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls after the field in focus: ↑ and ↓ of its own would take them from the form."""


class Launching(ActingScreen, ModalScreen[int | None]):
    """Gives the number of the run that waits now, None when it was left."""

    PLACE = "launching"
    CSS_PATH = ["styles/dialogs.tcss", "styles/launching.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("launching")]

    def __init__(self, folder: Path, spec: ProjectSpec, given: Mapping[str, Any] | None = None, like: int = 0) -> None:
        """`given` are params to begin with, those of the run `like`; what the project has no more is left out."""
        super().__init__()
        self._folder, self._spec, self._like = folder, spec, like
        defaults = spec.train.params
        self._given = {name: value for name, value in (given or {}).items() if defaults.get(name, value) != value}
        self._asking = self._stale = False
        self.answered = 0  # how often the prospect was told
        self.freezing_since: float | None = None

    def compose(self) -> ComposeResult:
        train = self._spec.train
        with Vertical(classes="dialog wide") as box:
            again = f" · as run {self._like}" if self._like else ""
            box.border_title = escaped(f"launch {self._spec.project.name}{again}")
            box.border_subtitle = "enter queues it · ↑ ↓ fields · empty: the default · esc leaves"
            with Fields(classes="fields"):
                for name, default in train.params.items():
                    value = written(self._given[name]) if name in self._given else ""
                    yield Field(name, written(default), value=value)
                if train.params:
                    yield Vertical(classes="gap")
                yield Field("gpus", str(train.gpus))
                yield Field("gpu memory", "each GPU alone", about="10GB: shares a GPU, claims so much of it")
                yield Field("priority", "0", about="higher goes first")
                yield Field("after", "none", about="12 13: once these have ended well")
                yield Field("retries", str(train.retries), about="after a failure")
                yield Field("name", self._spec.project.name)
                yield Field("tags", "none", about="words, with spaces")
                yield Field("until", "gate", about="the last stage that runs")
                yield Field("force", "no", about="yes: even where it will hardly fit")
            yield Told()

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self.set_interval(1.0, self._tell_freezing)
        self._judge()

    def on_resize(self) -> None:
        """The fields scroll, so that what would come of it stays in view."""
        self.query_one(".fields").styles.max_height = max(3, self.size.height * 9 // 10 - AROUND)

    # -- checking

    @on(Input.Changed)
    def _judge(self) -> None:
        """Check every field, and ask anew what would come of it."""
        for field in self.query(Field):
            field.judge(self._fault(field))
        if self.faults:
            self.query_one(Told).show([[Span(f"{len(self.faults)} to put right first", "failed")]])
        else:
            self._stale = True
            if not self._asking and self.shell.shed is not None:
                self._asking = True
                self.run_worker(self._foresee(), group="foresee")

    @property
    def faults(self) -> list[Field]:
        return [field for field in self.query(Field) if field.fault]

    def _fault(self, field: Field) -> str:
        from storage.errors import UsageError

        try:
            self._read(field)
        except UsageError as err:
            return f"expected {err.expected}" if err.expected else err.message
        except ValueError as err:
            return str(err)
        return ""

    def _read(self, field: Field) -> Any:
        """What a field says; None for the default. Raises UsageError or ValueError with what was expected."""
        from runners.actions import prospects

        text = field.text
        if not text:
            return None
        if field.field in self._spec.train.params and not self._is_wish(field):
            return prospects.param(self._spec, field.field, text)
        if field.field == "gpu memory":
            return prospects.memory(text)
        if field.field == "after":
            return prospects.after(text)
        if field.field == "force":
            return yes(text)
        if field.field == "until" and text not in STAGES:
            raise ValueError(f"one of {', '.join(STAGES)}")
        if field.field == "priority":
            return whole(text, least=None)
        if field.field in ("gpus", "retries"):
            return whole(text, least=0)
        return tuple(text.split()) if field.field == "tags" else text

    def _is_wish(self, field: Field) -> bool:
        """A param may be called as a wish is: the wishes are the last fields."""
        return field in list(self.query(Field))[-len(WISHES) :]

    def order(self) -> Order:
        """What the fields say, once they are all right."""
        fields = list(self.query(Field))
        params = {field.field: value for field in fields[: -len(WISHES)] if (value := self._read(field)) is not None}
        wish = {field.field: self._read(field) for field in fields[-len(WISHES) :]}
        return Order(
            params,
            gpus=wish["gpus"],
            memory=wish["gpu memory"],
            priority=wish["priority"] or 0,
            retries=wish["retries"],
            name=wish["name"],
            tags=wish["tags"] or (),
            until=wish["until"],
            after=wish["after"] or (),
            force=bool(wish["force"]),
        )

    # -- foreseeing

    async def _foresee(self) -> None:
        from storage.errors import TrainshedError

        try:
            while self._stale and not self.faults and (shed := self.shell.shed) is not None:
                self._stale = False
                order = self.order()
                try:
                    found = await beside(lambda s=shed, o=order: _prospect(s, self._spec, o))  # type: ignore[misc]
                except TrainshedError as err:
                    told: list[Line] = [[span(err.message, "attention")]]
                else:
                    self.answered += 1
                    told = prospect_lines(found)
                if gone(self):
                    return
                if not self.faults and self.freezing_since is None:
                    self.query_one(Told).show(told)
        finally:
            self._asking = False

    # -- actions

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.do_launch()

    def do_launch(self) -> None:
        if self.faults:
            self.faults[0].query_one(Input).focus()
            self.shell.say(f"{self.faults[0].field}: {self.faults[0].fault}.", "warning")
            return
        if self.freezing_since is not None:
            return
        self.freezing_since = time.time()
        self._tell_freezing()
        self.shell.run_worker(self._launch(self.order()))  # the app's: it goes on where the form is closed

    async def _launch(self, order: Order) -> None:
        from storage.errors import TrainshedError

        shed = self.shell.shed
        assert shed is not None
        shell = self.shell
        try:
            launched = await beside(lambda: _launch(shed, self._folder, order))
        except TrainshedError as err:
            shell.tell(err)
            self.freezing_since = None
            if not gone(self):
                self._judge()
            return
        shell.say(queued([launched]))
        if not gone(self):
            self.dismiss(launched.run.id)

    def _tell_freezing(self) -> None:
        if self.freezing_since is not None:
            seconds = round(time.time() - self.freezing_since)
            told = "freezing the project: code, data, params, environment …"
            self.query_one(Told).show([line(Span(told, "running"), f" {seconds} s" if seconds else "")])

    def do_next(self) -> None:
        step(self, 1)

    def do_previous(self) -> None:
        step(self, -1)

    def do_close(self) -> None:
        if self.freezing_since is not None:
            self.shell.say("It is being frozen, and waits for its turn afterwards.")
        self.dismiss(None)


def open_form(
    host: Acting, folder: Path, given: Mapping[str, Any] | None, like: int, done: Callable[[int | None], None]
) -> None:
    """Read the project and show its form; a fault in its file is told instead."""

    async def read() -> None:
        from storage.errors import TrainshedError

        try:
            spec = await beside(lambda: _project(folder))
        except TrainshedError as err:
            host.shell.tell(err)
            return
        host.shell.push_screen(Launching(folder, spec, given, like), done)

    host.shell.run_worker(read())


def prospect_lines(found: Prospect) -> list[Line]:
    """`starts now · ~14 min, like run 138`, and what is to be said of memory."""
    parts: list[Line] = []
    on = [device for device in found.devices if not device.startswith("cpu")]
    if found.peak_bytes is not None:
        fits = [Span("fits " if found.fits else "may not fit ", "done" if found.fits else "attention")] if on else []
        parts.append([*fits, Span(", ".join([*on, f"peak ~{figures.size(found.peak_bytes)}"]))])
    if found.after and found.starts_in is None:
        parts.append([span(found.after, "waiting")])
    elif found.starts_in is None:
        parts.append([Span("nobody can tell yet when it starts", "dim")])
    elif found.starts_in.high < AT_ONCE_S:
        where = f" on {', '.join(on)}" if on and found.peak_bytes is None else ""
        parts.append([Span(f"starts now{where}", "done")])
    else:
        then = f", {found.after}" if found.after else ""
        parts.append([span(f"starts in {figures.about(found.starts_in.likely)}{then}", "waiting")])
    if found.takes is not None:
        low, high = (figures.about(at).lstrip("~") for at in (found.takes.low, found.takes.high))
        parts.append(
            line(
                f"takes {figures.about(found.takes.likely)}",
                Span(f" ({low} to {high})" if low != high else "", "dim"),
                Span(f", like run {found.like}" if found.like is not None else "", "dim"),
            )
        )
    else:
        parts.append([Span("the first of its kind: nobody can tell how long it takes", "dim")])
    lines: list[Line] = [joined(parts, "   ")]
    if found.memory and (not found.fits or found.peak_bytes is None):
        lines.append([span(f"memory: {found.memory}", "dim" if found.fits else "attention")])
    return lines


def written(value: Any) -> str:
    """A param as it would be typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def whole(text: str, *, least: int | None) -> int:
    """An integer, checked. Raises ValueError with what was expected."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None
    if least is not None and value < least:
        raise ValueError(f"expected {least} or more")
    return value


def yes(text: str) -> bool:
    """An answer to a question of yes or no. Raises ValueError."""
    answer = text.lower()
    if answer not in ("y", "yes", "true", "n", "no", "false"):
        raise ValueError("expected yes or no")
    return answer in ("y", "yes", "true")


def _project(folder: Path) -> ProjectSpec:
    from runners.actions import prospects

    return prospects.project(folder)


def _prospect(shed: Shed, spec: ProjectSpec, order: Order) -> Prospect:
    from runners.actions import prospects

    gpus = spec.train.gpus if order.gpus is None else order.gpus
    return prospects.prospect(
        shed,
        spec,
        order.params,
        gpus_wanted=gpus,
        claim=order.memory,
        priority=order.priority,
        after=order.after,
    )


def _launch(shed: Shed, folder: Path, order: Order) -> Launched:
    from runners.actions import queueing

    wanted = queueing.Wanted(
        gpus=order.gpus,
        gpu_memory=order.memory,
        priority=order.priority,
        after=order.after,
        retries=order.retries,
        force=order.force,
    )
    return queueing.launch(
        shed, folder, params=order.params, until=order.until, name=order.name, tags=order.tags, wanted=wanted
    )
