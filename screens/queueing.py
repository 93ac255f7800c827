"""What is done with runs wherever they are listed: stop, resume, start over, another place in the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from textual.binding import BindingType

from screens import figures
from screens.acting import bindings
from screens.dialogs import Agreeing, Asking
from screens.ink import Line, Span, line
from screens.threads import beside
from screens.view import Answer, Question, View

if TYPE_CHECKING:
    from runners.actions.queueing import Launched
    from screens.shell import Shell
    from storage.shed import Shed
    from storage.tables import Run, Sweep

VERBS = (
    "stop",
    "resume",
    "requeue",
    "reproduce",
    "first",
    "last",
    "priority",
    "relaunch",
    "tag",
    "export",
    "remove",
    "walk_back",
)
ONE_BY_ONE = ("relaunch", "walk_back", "reproduce")
FROM_CODE = ("resume", "requeue", "relaunch", "reproduce")  # what begins with the code that a run froze


class Queueing(View[Question, Answer], Generic[Question, Answer]):
    """A view with runs in it. It says which ones the keys are about."""

    PLACE = "queue"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("queue")]

    def chosen(self) -> dict[int, Run | None]:
        """The runs that a key is about: those marked, else the one under the cursor; None for one not read."""
        raise NotImplementedError

    def why_not(self, name: str) -> str:
        if name not in VERBS:
            return super().why_not(name)
        runs = self.chosen()
        if not runs:
            return "There is no run here."
        if name in ONE_BY_ONE and len(runs) > 1:
            return "One run at a time: esc unmarks them."
        reasons = [refusal(name, run) if run is not None else "" for run in runs.values()]
        return reasons[0] if all(reasons) else ""

    def _fitting(self, name: str) -> list[int]:
        return [run_id for run_id, run in self.chosen().items() if run is None or not refusal(name, run)]

    def _carry_out(self, work: Callable[[Shed], Any], done: str | Callable[[Any], str]) -> None:
        self.shell.run_worker(self.shell.carry_out(work, done))

    # -- actions

    def do_stop(self) -> None:
        ids, runs = self._fitting("stop"), self.chosen()
        at_work = [run_id for run_id in ids if (run := runs[run_id]) is None or run.status == "running"]

        def stop(agreed: str | None) -> None:
            if agreed is not None:
                self._carry_out(lambda shed: _stop(shed, ids), _stopped(ids, at_work))

        told: list[Line] = []
        if at_work:
            whose = "It gets" if len(at_work) == 1 else "Those at work get"
            told.append(
                line(f"{whose} a moment to write a checkpoint; ", Span("r", "accent"), " goes on from it later.")
            )
        if len(at_work) < len(ids):
            whose = "It waits" if len(ids) == 1 else "Those that wait do so"
            told.append(line(f"{whose} no longer then; ", Span("r", "accent"), " queues it again."))
        verb = "stop it" if len(ids) == 1 else "stop them"
        self.app.push_screen(Agreeing(f"stop {named(ids)}", told, verb=verb, dangerous=True), stop)

    def do_resume(self) -> None:
        ids = self._fitting("resume")
        self._carry_out(lambda shed: _resume(shed, ids), queued)

    def do_requeue(self) -> None:
        ids = self._fitting("requeue")
        self._carry_out(lambda shed: _requeue(shed, ids), queued)

    def do_first(self) -> None:
        ids = self._fitting("first")
        self._carry_out(lambda shed: _reorder(shed, ids[::-1], last=False), f"{named(ids)} before your others")

    def do_last(self) -> None:
        ids = self._fitting("last")
        self._carry_out(lambda shed: _reorder(shed, ids, last=True), f"{named(ids)} behind your others")

    async def do_relaunch(self) -> None:
        from screens.launching import open_form

        run_id, shed = next(iter(self.chosen())), self.shell.shed
        if shed is None:
            return
        run = await beside(lambda: _run(shed, run_id))
        folder = project_folder(self.shell, run)
        if folder is None:
            self.shell.say(
                f"Run {run_id} is {run.user}'s: start trainshed in your own copy of {run.project}.", "warning"
            )
            return
        given = (run.spec.get("train") or {}).get("params") or {}
        open_form(self, folder, given, run_id, self.launched)

    def launched(self, run_id: int | None) -> None:
        """A run of the form waits now; None when the form was left."""
        if run_id is not None:
            self.shell.open_thing(str(run_id))

    def do_reproduce(self) -> None:
        run_id = next(iter(self.chosen()))

        def again(agreed: str | None) -> None:
            if agreed is not None:
                told = f"run {run_id} is done again: the new run is tagged reproduces-{run_id}"
                self._carry_out(lambda shed: _reproduce(shed, run_id), told)

        about: list[Line] = [
            [Span("A new run from the frozen code, data, params and seed: it trains anew and promotes nothing.")],
            line("It waits for its turn; a note on it, ", Span("n", "accent"), ", says whether the same came out."),
        ]
        self.app.push_screen(Agreeing(f"reproduce run {run_id}", about, verb="do it again"), again)

    def do_walk_back(self) -> None:
        self.shell.walk_back(str(next(iter(self.chosen()))))

    def do_tag(self) -> None:
        ids = list(self.chosen())

        def file(text: str | None) -> None:
            if text:
                self._carry_out(lambda shed: _tag(shed, ids, text.split()), f"{named(ids)}: tagged {text}")

        about: list[Line] = [line("A filter finds them: ", Span("tag=baseline", "accent"))]
        self.app.push_screen(Asking(f"tag {named(ids)}", lines=about, placeholder="baseline"), file)

    def do_export(self) -> None:
        ids = list(self.chosen())

        def export(text: str | None) -> None:
            if text:
                self._carry_out(lambda shed: _export(shed, ids, text), lambda told: told)

        about: list[Line] = [
            [Span("Params, every point of the metrics, tags and notes as Parquet, in a new directory.", "dim")],
            line("It is read back by ", Span("trainshed import", "accent"), "."),
        ]
        self.app.push_screen(Asking(f"export {named(ids)} into", lines=about, placeholder="runs/", needed=True), export)

    def do_remove(self) -> None:
        ids = self._fitting("remove")

        def remove(agreed: str | None) -> None:
            if agreed is not None:
                self.removed(ids)
                self._carry_out(lambda shed: _remove(shed, ids), f"{named(ids)} removed")

        told: list[Line] = [
            [Span("Rows, series, log, checkpoints and artifacts are gone then; what made a model version stays.")]
        ]
        self.app.push_screen(Agreeing(f"remove {named(ids)}", told, verb="remove for good", dangerous=True), remove)

    def removed(self, ids: Sequence[int]) -> None:
        """These runs will be gone in a moment."""
        for run_id in ids:
            if run_id in self.shell.marked:
                self.shell.marked.remove(run_id)

    def do_priority(self) -> None:
        ids = self._fitting("priority")

        def give(text: str | None) -> None:
            if text is None:
                return
            try:
                priority = int(text)
            except ValueError:
                self.shell.say("A priority is a whole number, such as 1 or -1.", "warning")
                return
            self._carry_out(lambda shed: _prioritise(shed, ids, priority), f"{named(ids)}: priority {priority}")

        about = [[Span("Higher goes before lower, among everybody's runs; 0 is usual.", "dim")]]
        self.app.push_screen(Asking(f"priority of {named(ids)}", lines=about, placeholder="1", needed=True), give)


def project_folder(shell: Shell, of: Run | Sweep) -> Path | None:
    """Where the project lies: this terminal's copy of it, else where it was; never what somebody else may edit."""
    from storage.shed import current_user

    if shell.project == of.project and shell.project_dir is not None:
        return shell.project_dir
    return Path(of.project_dir) if of.user == current_user() else None


def refusal(name: str, run: Run) -> str:
    """Why this cannot be done with a run, as a sentence; empty when it can."""
    from storage.shed import current_user
    from storage.tables import IMPORTED

    its, mine = f"Run {run.id} is {run.status}", run.user == current_user()
    if name == "stop" and run.status not in ("running", "queued"):
        return f"{its}: there is nothing to stop."
    if name in FROM_CODE and run.kind == IMPORTED:
        return f"Run {run.id} was imported: the code that it ran is not here."
    if name == "resume":
        if run.status not in ("failed", "stopped"):
            return f"{its}; only one that failed or was stopped goes on."
        return "" if mine else f"Run {run.id} is {run.user}'s; R makes one of yours."
    if name == "relaunch" and run.kind != "pipeline":
        return f"Run {run.id} is a command without params; R queues it again."
    if name == "reproduce" and run.kind != "pipeline":
        return f"Run {run.id} is a command: nothing was frozen that could be done again."
    if name == "reproduce" and run.status in ("running", "queued"):
        return f"{its}: there is nothing to compare with yet."
    if name == "remove" and run.status in ("running", "queued"):
        return f"{its}: x stops it first."
    if name == "requeue" and run.status in ("running", "queued"):
        return f"{its}."
    if name in ("first", "last", "priority"):
        if run.status != "queued":
            return f"{its}; only one that waits has a place in the queue."
        return "" if mine else f"Run {run.id} is {run.user}'s, and so is its place in the queue."
    return ""


def named(ids: Sequence[int]) -> str:
    """`run 12`, `3 runs`."""
    return f"run {ids[0]}" if len(ids) == 1 else f"{len(ids)} runs"


def queued(launched: Sequence[Launched]) -> str:
    """What came of it: `run 12 waits, starts in ~4 min`, and what there was to remark."""
    ids = [each.run.id or 0 for each in launched]
    starts = launched[0].starts_in if len(launched) == 1 else None
    when = (
        "" if starts is None else ", starts now" if starts.high < 2 else f", starts in {figures.about(starts.likely)}"
    )
    verb = "waits" if len(ids) == 1 else "wait"
    remarks = [str(remark["text"]) for each in launched for remark in each.remarks]
    return "\n".join([f"{named(ids)} {verb} for {'its' if len(ids) == 1 else 'their'} turn{when}", *remarks])


def _stopped(ids: list[int], at_work: list[int]) -> str:
    if len(at_work) == len(ids):
        return f"{named(ids)} {'is' if len(ids) == 1 else 'are'} asked to stop"
    return (
        f"{named(ids)} {'waits' if len(ids) == 1 else 'wait'} no more" if not at_work else f"{named(ids)} are stopped"
    )


def _tag(shed: Shed, ids: list[int], tags: list[str]) -> None:
    from runners.actions import runs

    for run_id in ids:
        runs.add_tags(shed, run_id, tuple(tags))


def _export(shed: Shed, ids: list[int], folder: str) -> str:
    from runners.actions import exporting

    done = exporting.export(shed, [str(run_id) for run_id in ids], Path(folder))
    return f"{named(ids)}: {done.points:,} points in {done.folder}"


def _remove(shed: Shed, ids: list[int]) -> None:
    from runners.actions import runs

    runs.remove(shed, ids)


def _run(shed: Shed, run_id: int) -> Run:
    from storage.read import runs as read_runs

    return read_runs.run(shed, run_id)


def _stop(shed: Shed, ids: list[int]) -> None:
    from runners.actions import queueing

    queueing.stop(shed, ids)


def _resume(shed: Shed, ids: list[int]) -> list[Launched]:
    from runners.actions import queueing

    return [queueing.resume(shed, run_id) for run_id in ids]


def _requeue(shed: Shed, ids: list[int]) -> list[Launched]:
    from runners.actions import queueing

    return [queueing.requeue(shed, run_id) for run_id in ids]


def _reproduce(shed: Shed, run_id: int) -> None:
    from runners.actions import reproducing

    reproducing.reproduce_beside(shed, run_id)


def _reorder(shed: Shed, ids: list[int], *, last: bool) -> None:
    from runners.actions import queueing

    for run_id in ids:
        queueing.reorder(shed, run_id, last=last)


def _prioritise(shed: Shed, ids: list[int], priority: int) -> None:
    from runners.actions import queueing

    for run_id in ids:
        queueing.reorder(shed, run_id, priority=priority)
