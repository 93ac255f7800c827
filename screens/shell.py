"""The app as screens know it: the open shed, colours, messages, and a clock that notices what others commit."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from rich.console import RenderableType
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import ScreenStackError
from textual.binding import BindingType
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from screens.acting import Acting, bindings
from screens.actions import VIEWS, Action, ViewEntry
from screens.steady import steadied
from screens.telling import Telling
from screens.themes import PLAIN, THEMES, Inks
from screens.threads import beside
from screens.wire import Wire

if TYPE_CHECKING:
    from runners.actions.lineage import Lineage
    from runners.actions.machine import Machine, Now
    from runners.actions.pulse import Pulse
    from storage.errors import TrainshedError
    from storage.read.changes import Changes
    from storage.shed import Shed

Result = TypeVar("Result")
LOOK_S = 0.25  # between two looks for commits
NEWS_S = 0.7  # between two readings of what is in view, however often something is committed
CLOCK_S = 10.0  # between two looks at the clock: "4 min ago" has become "5 min ago"
MACHINE_S = 3.0
TOLD = 90  # signs of what was copied
PULSE_S = 1.0  # between two looks at the counters of endpoints
SETTLING_S = 0.3  # without a change of size: the terminal has the one that it keeps


@dataclass(frozen=True)
class Standing:
    """What the header tells of the shed."""

    running: int = 0
    queued: int = 0
    waiting: int = 0
    read_only: bool = False


class Shell(Acting, Telling):
    """An app with numbered views. What it shows it reads from the shed, again whenever something was committed."""

    PLACE = "app"
    TITLE = "trainshed"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("app")]
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = str(Path(__file__).parent / "styles" / "shell.tcss")  # beside this class, whoever derives from it
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (180, "-vast")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]

    def __init__(
        self,
        open_shed: Callable[[], Shed],
        *,
        project: str | None = None,
        project_dir: Path | None = None,
        user: str = "",
        host: str = "",
        theme: str = "dark",
        ascii_only: bool = False,
    ) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.project, self.project_dir = project, project_dir
        self.user, self.host = user, host
        self.ascii_only = ascii_only
        self.shed: Shed | None = None
        self.standing = Standing()
        self.marked: list[int] = []  # runs, for Runs and Compare
        self.now: Now | None = None
        self.pulse: Pulse | None = None
        self.stale_since: float | None = None
        self.error: TrainshedError | None = None
        self._open_shed = open_shed
        self._changes: Changes | None = None
        self._machine: Machine | None = None
        self._looking = False
        self._unread = False  # something was committed since what is in view was read
        self._read_at = 0.0
        self._wire = Wire()
        self._settling: Timer | None = None  # since the terminal changed its size
        for each in THEMES:
            self.register_theme(each)
        self.theme = PLAIN if self.no_color else theme
        self.inks = Inks(self.current_theme)
        self._modes = {view.name: _loader(view) for view in VIEWS}
        if ascii_only:
            self.add_class("-ascii")

    # -- beginning and end

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._take_theme)
        self.app_resume_signal.subscribe(self, lambda _app: self._wire.forget())
        self.switch_mode(VIEWS[0].name)
        self.call_after_refresh(lambda: self.run_worker(self._begin()))  # the first picture comes first

    async def _begin(self) -> None:
        from storage.errors import TrainshedError

        def opened() -> tuple[Shed, Changes, Machine, Pulse]:
            from runners.actions.machine import Machine
            from runners.actions.pulse import Pulse
            from storage.read.changes import Changes

            shed = self._open_shed()
            return shed, Changes(shed), Machine(shed), Pulse(shed)

        try:
            self.shed, self._changes, self._machine, self.pulse = await beside(opened)
        except TrainshedError as err:
            self.error = err
            self.exit(err.exit_code)
            return
        self.set_interval(LOOK_S, self._look)
        self.set_interval(CLOCK_S, self._tick)
        self.set_interval(MACHINE_S, self._look_at_machine)
        self.set_interval(PULSE_S, self._feel_pulse)
        self._news()
        self.run_worker(self._look_at_machine())

    def _look(self) -> None:
        if (self._changes is not None and self._changes.any()) or self.stale_since is not None:
            self._unread = True
        if self._unread and time.monotonic() - self._read_at >= NEWS_S:
            self._news()
        view = self.view
        if view is not None and view.answered:
            view.look()

    def _news(self) -> None:
        """Something was committed: what is in view is read again."""
        self._unread, self._read_at = False, time.monotonic()
        self.run_worker(self._read_standing, group="standing", exclusive=True)  # type: ignore[arg-type]
        view = self.view
        if view is not None:
            view.refetch()

    async def _read_standing(self) -> None:
        from storage.errors import TrainshedError

        shed = self.shed
        if shed is None:
            return

        def read() -> Standing:
            from storage.read import counts

            found = counts.runs_by_status(shed)
            return Standing(
                found.get("running", 0),
                found.get("queued", 0),
                counts.for_somebody(shed),
                read_only=not shed.writable,
            )

        try:
            self.standing = await beside(read)
        except TrainshedError:
            self.old_news()
            return
        self.stale_since = None
        self._repaint_header()

    def old_news(self) -> None:
        """What is shown could not be read anew; the header says since when."""
        if self.stale_since is None:
            self.stale_since = time.time()
        self._repaint_header()

    async def _look_at_machine(self) -> None:
        from storage.errors import TrainshedError

        machine = self._machine
        if machine is None or self._looking:
            return
        self._looking = True
        try:
            self.now = steadied(self.now, await beside(machine.look))
        except TrainshedError:
            return  # the readings stay as they were
        finally:
            self._looking = False
        self._repaint_header()
        view = self.view
        if view is not None and view.answered:
            view.machine_seen()

    async def _feel_pulse(self) -> None:
        from storage.errors import TrainshedError

        pulse = self.pulse
        if pulse is None or not pulse.beating:
            return
        try:
            await beside(pulse.look)
        except TrainshedError:
            return
        view = self.view
        if view is not None and view.answered:
            view.pulse_felt()

    def _tick(self) -> None:
        view = self.view
        if view is not None and view.answered:
            view.tick()
        self._repaint_header()

    def _repaint_header(self) -> None:
        from screens.widgets.header import Header

        with suppress(ScreenStackError):  # it ends
            for header in self.screen.query(Header):
                header.repaint()

    # -- the terminal

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, CompositorUpdate) and self._running and not self._batch_count and not self._closed:
            renderable = self._wire.less(renderable, self.console)
        super()._display(screen, renderable)

    async def _on_resize(self, event: events.Resize) -> None:
        await super()._on_resize(event)
        self._wire.forget()
        if self._settling is not None:
            self._settling.stop()
            self._settling = None
        if self.shed is not None:  # frames for another size may have been under way
            self._settling = self.set_timer(SETTLING_S, self.do_redraw)

    # -- keys

    async def on_key(self, event: events.Key) -> None:
        """A key that nothing has taken. What was typed while a dialog opened waits until its lines are there."""
        event.prevent_default()
        if self.screen.is_modal and self.screen.focused is None:
            self.screen.call_later(self._take, event)
        else:
            await self._take(event)

    async def _take(self, event: events.Key) -> None:
        focused = self.focused
        if focused is not None and focused.check_consume_key(event.key, event.character):
            focused.post_message(events.Key(event.key, event.character))  # typed before it was there
            return
        self.forget_remark()
        if not await self._check_bindings(event.key):
            self.remark_on(event)

    # -- for screens

    @property
    def view(self) -> Any:
        """The view in front, if no dialog covers it."""
        from screens.view import View

        with suppress(ScreenStackError):  # it begins or ends
            return self.screen if self.is_running and isinstance(self.screen, View) else None
        return None

    async def carry_out(self, work: Callable[[Shed], Result], done: str | Callable[[Result], str]) -> bool:
        """Do something with the shed beside the screen, and say so. Returns whether it went well."""
        from storage.errors import TrainshedError

        shed = self.shed
        if shed is None:
            return False
        try:
            result = await beside(lambda: work(shed))
        except TrainshedError as err:
            self.tell(err)
            return False
        told = done if isinstance(done, str) else done(result)
        if told:
            self.say(told)
        self._news()
        return True

    def copy(self, text: str) -> None:
        """Into tmux's buffer where one runs, and as OSC 52 into the clipboard of the terminal; where neither can take
        it, it is shown to be selected."""
        from screens import clipboard

        self.copy_to_clipboard(text)
        if clipboard.in_tmux():
            self.run_worker(self._copy_to_tmux(text))
        elif clipboard.understands_osc52():
            self.say(f"copied: {_briefly(text)}")
        else:
            self._show_to_select(text)

    async def _copy_to_tmux(self, text: str) -> None:
        from screens import clipboard

        if await beside(lambda: clipboard.to_tmux(text)):
            self.say(f"copied, into tmux's buffer too: {_briefly(text)}")
        else:
            self._show_to_select(text)

    def _show_to_select(self, text: str) -> None:
        from screens.dialogs import Reading
        from screens.ink import wrapped

        self.push_screen(Reading("select it with the mouse", lambda width: wrapped(text, width)))

    def open_thing(self, reference: str) -> None:
        """Go to whatever an id stands for: a run's number, `flights@v2`, `flight-delay@v3`."""
        view = next((view for view in VIEWS if reference.lower() in (view.name, view.title.lower())), None)
        if view is not None:
            self.show_view(view.name)
            return
        if reference.lower().startswith("sweep") and (number := reference[5:].lstrip(" #/-")).isdigit():
            from screens.sweep import SweepPage

            self.push_screen(SweepPage(int(number)))
            return
        if reference.isdigit():
            from screens.run import RunPage

            self.push_screen(RunPage(int(reference)))
            return
        self.run_worker(self._open_named(reference))

    async def _open_named(self, reference: str) -> None:
        from storage.errors import TrainshedError

        shed = self.shed
        if shed is None:
            return

        def traced() -> Lineage:
            from runners.actions import lineage

            return lineage.trace(shed, reference)

        try:
            found = await beside(traced)
        except TrainshedError as err:
            self.tell(err)
            return
        await self._show_found(found, reference)

    async def _show_found(self, found: Lineage, reference: str) -> None:
        """The page of a thing; of anything else, such as a digest, where it stands."""
        kind, name = found.back.kind, found.back.id
        if kind == "run":
            self.open_thing(name)
        elif kind == "dataset version":
            from screens.dataset import DatasetPage

            self.push_screen(DatasetPage(name))
        elif kind == "model version":
            from screens.models import Models

            await self.switch_mode("models")
            self.show_view("models")  # the view itself, from whatever page of it
            if isinstance(self.screen, Models):
                self.screen.go_to(name)
        else:
            self.walk_back(reference)

    def walk_back(self, reference: str) -> None:
        """The page with the way back from a thing to the files that caused it."""
        from screens.lineage import LineagePage

        self.push_screen(LineagePage(reference, self.view.VIEW if self.view is not None else VIEWS[0].name))

    def _take_theme(self, _theme: object) -> None:
        from screens.widgets.grid import Grid
        from screens.widgets.painted import Painted

        self.inks = Inks(self.current_theme)
        for screen in self.screen_stack:
            for widget in screen.query(Widget):
                if isinstance(widget, Painted | Grid):
                    widget.forget()

    # -- actions

    def why_not(self, name: str) -> str:
        if name == "theme" and self.no_color:
            return "NO_COLOR is set in this terminal's environment."
        if name == "messages" and not self.said:
            return "Nothing was said so far."
        return ""

    def show_view(self, name: str) -> None:
        """Bring a numbered view to the front as it was left; where it is in front already, without its pages."""
        if self.current_mode != name:
            self.switch_mode(name)
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()

    async def act(self, action: Action) -> None:
        if any(action.name == view.name for view in VIEWS):
            self.show_view(action.name)
        else:
            await super().act(action)

    def do_help(self) -> None:
        from screens.help import Help

        self.push_screen(Help(self.screen))

    def do_palette(self) -> None:
        from screens.palette import Palette

        self.push_screen(Palette(self.screen))

    def do_go(self) -> None:
        from screens.dialogs import Asking

        def go(text: str | None) -> None:
            if text:
                self.open_thing(text)

        self.push_screen(Asking("go to", placeholder="12, flight-delay@v3, flights@v2, a view, a digest"), go)

    def do_theme(self) -> None:
        names = [each.name for each in THEMES if each.name != PLAIN]
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]
        self.say(f"theme: {self.theme}")

    def do_redraw(self) -> None:
        self._wire.forget()
        self.refresh(layout=True)
        with suppress(ScreenStackError):
            self.screen.refresh(layout=True)

    def do_quit(self) -> None:
        self.exit(0)


def _loader(view: ViewEntry) -> Callable[[], Screen[Any]]:
    def load() -> Screen[Any]:
        module, _, name = view.screen.partition(":")
        return cast("Screen[Any]", getattr(importlib.import_module(module), name)())

    return load


def _briefly(text: str) -> str:
    return text if len(text) <= TOLD else f"{text[:TOLD]} …"


def shell_of(widget: Widget) -> Shell:
    return cast("Shell", widget.app)


def wants_ascii(encoding: str | None) -> bool:
    """Whether the terminal has no more than ASCII: its encoding says so, or it is the kernel's own console."""
    if os.environ.get("TERM") in ("linux", "vt100", "vt220"):
        return True
    try:
        "●✓⣿━".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
