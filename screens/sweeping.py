"""What is done with sweeps wherever they stand: stop, go on, try more, launch the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic

from textual.binding import BindingType

from screens.acting import bindings
from screens.dialogs import Agreeing, Asking
from screens.ink import Line, Span, line
from screens.queueing import project_folder
from screens.threads import beside
from screens.view import Answer, Question, View

if TYPE_CHECKING:
    from runners.actions.sweeping import Started
    from storage.shed import Shed
    from storage.tables import Run, Sweep

VERBS = ("stop", "resume", "more", "best")


class Sweeping(View[Question, Answer], Generic[Question, Answer]):
    """A view with sweeps in it. It says which one the keys are about."""

    PLACE = "sweeping"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("sweeping")]

    @property
    def sweep(self) -> Sweep | None:
        """The sweep that a key is about; None while there is none."""
        raise NotImplementedError

    @property
    def best_run(self) -> int | None:
        """The run of its best trial."""
        raise NotImplementedError

    def why_not(self, name: str) -> str:
        if name not in VERBS:
            return super().why_not(name)
        sweep = self.sweep
        if sweep is None:
            return "There is no sweep here."
        if name == "best":
            return "" if self.best_run is not None else "No trial is done yet."
        from storage.shed import current_user

        if name == "stop":
            return "" if sweep.status == "running" else f"Sweep {sweep.id} is {sweep.status}: there is nothing to stop."
        if sweep.user != current_user():
            return f"Sweep {sweep.id} is {sweep.user}'s: start one of your own."
        if sweep.status == "running":
            return f"Sweep {sweep.id} is running."
        if name == "resume" and sweep.status == "done":
            return f"Sweep {sweep.id} has tried all it should: m tries more."
        return ""

    # -- actions

    def do_stop(self) -> None:
        sweep_id = self._which

        async def stop(agreed: str | None) -> None:
            if agreed is not None:
                await self.shell.carry_out(lambda shed: _stop(shed, sweep_id), f"sweep {sweep_id} is stopped")

        told: list[Line] = [
            [Span("No further trial begins, and those that wait or are at work are stopped.")],
            line(Span("r", "accent"), " goes on from their checkpoints later."),
        ]
        self.app.push_screen(Agreeing(f"stop sweep {sweep_id}", told, verb="stop it", dangerous=True), stop)

    async def do_resume(self) -> None:
        sweep_id = self._which
        await self.shell.carry_out(lambda shed: _resume(shed, sweep_id, None), begun)

    def do_more(self) -> None:
        sweep_id = self._which

        async def more(text: str | None) -> None:
            if text is None:
                return
            if not text.isdigit():
                self.shell.say("A number of trials is wanted, such as 40.", "warning")
                return
            await self.shell.carry_out(lambda shed: _resume(shed, sweep_id, int(text)), begun)

        about: list[Line] = [[Span("How many trials in all, those that there are among them.", "dim")]]
        self.app.push_screen(Asking(f"more trials of sweep {sweep_id}", lines=about, placeholder="40"), more)

    async def do_best(self) -> None:
        from screens.launching import open_form

        shed, sweep, run_id = self.shell.shed, self.sweep, self.best_run
        if shed is None or sweep is None or run_id is None:
            return
        folder = project_folder(self.shell, sweep)
        if folder is None:
            self.shell.say(f"Sweep {sweep.id} is {sweep.user}'s: start trainshed in your own copy.", "warning")
            return
        run = await beside(lambda: _run(shed, run_id))
        given = (run.spec.get("train") or {}).get("params") or {}
        open_form(self, folder, given, run_id, self._launched)

    def _launched(self, run_id: int | None) -> None:
        if run_id is not None:
            self.shell.open_thing(str(run_id))

    @property
    def _which(self) -> int:
        assert self.sweep is not None  # why_not has seen to it
        return self.sweep.id or 0


def begun(started: Started) -> str:
    """What goes on by itself now, and what there was to remark."""
    search = started.search
    remarks = [str(remark["text"]) for remark in started.remarks]
    told = f"sweep {started.sweep.id}: {search.trials} trials, {search.parallel} at once"
    return "\n".join([told, *remarks])


def _stop(shed: Shed, sweep_id: int) -> None:
    from runners.actions import sweeping

    sweeping.stop(shed, sweep_id)


def _resume(shed: Shed, sweep_id: int, trials: int | None) -> Started:
    from runners.actions import sweeping

    return sweeping.resume(shed, sweep_id, trials=trials)


def _run(shed: Shed, run_id: int) -> Run:
    from storage.read import runs as read_runs

    return read_runs.run(shed, run_id)
