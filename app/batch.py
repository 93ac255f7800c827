"""`trainshed --batch`: the pipeline, headless, to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.output import Output, Table
from app.scope import Scope
from app.views.progress import View, view_for
from storage.errors import TrainshedError, UsageError
from storage.params import parsed_param

if TYPE_CHECKING:
    from runners.actions.pipelines import Finished

# As runners.actions.pipelines orders them; that import takes a second, and the first frame should not.
STAGES = ("validate", "prepare", "train", "evaluate", "package", "gate")


def run_batch(
    scope: Scope, assignments: list[str], *, until: str | None, name: str | None, tags: tuple[str, ...]
) -> int:
    """Run the project's pipeline and say how it went. Returns the exit code.

    Raises:
        TrainshedError: when nothing could be started.
    """
    out = scope.out
    out.finish(run=None, model=None)
    params = dict(assignment(text) for text in assignments)
    folder = scope.project_dir()
    shed = scope.shed()
    told = Told(out)
    with view_for(out, _stages(until)) as view:
        from runners.actions.pipelines import run_pipeline

        def on_event(event: dict[str, Any]) -> None:
            told.take(event, view)

        finished = run_pipeline(shed, folder, params=params, until=until, name=name, tags=tags, on_event=on_event)
    told.conclude(finished)
    return finished.exit_code


def assignment(text: str) -> tuple[str, Any]:
    """Read one `--set`: `lr=1e-3` has a number, `bf16=true` a boolean, `name=x` and `name="x"` a text.

    Raises:
        UsageError: when it is not PARAM=VALUE.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text}: no value", expected="PARAM=VALUE, such as --set lr=1e-3")
    return name.strip(), parsed_param(value.strip())


def _stages(until: str | None) -> tuple[str, ...]:
    return STAGES[: STAGES.index(until) + 1] if until in STAGES else STAGES


class Told:
    """The events of one run: programs and the view get each at once; tables, errors and hints wait for the end."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.tables: list[Table] = []
        self.errors: list[TrainshedError] = []
        self.next: list[str] = []

    def take(self, event: dict[str, Any], view: View) -> None:
        kind = str(event.get("event", ""))
        self.out.emit(kind, {key: value for key, value in event.items() if key != "event"})
        if kind == "run":
            self.out.finish(run=event.get("run"))
            view.run(event)
        elif kind == "stage":
            view.stage(event)
        elif kind == "progress":
            view.progress(event)
        elif kind in ("note", "warning"):
            view.remark(str(event.get("text", "")), warning=kind == "warning")
        elif kind == "table":
            self.tables.append(_table(event))
        elif kind == "error":
            parts = {key: str(event.get(key) or "") for key in ("place", "expected", "todo")}
            self.errors.append(TrainshedError(str(event.get("message", "")), **parts))
        elif kind == "next":
            self.next = [str(line) for line in event.get("lines", [])]

    def show(self) -> None:
        """The tables, and what went wrong."""
        for table in self.tables:
            self.out.say()
            self.out.report(table)
        for error in self.errors:
            self.out.say()
            self.out.error(error)

    def conclude(self, finished: Finished) -> None:
        """The tables, what went wrong, how it ended, and what to type next."""
        out = self.out
        self.show()
        out.finish(status=finished.status, run=finished.run, model=finished.model, reason=finished.reason)
        if not self.errors:
            out.say()
            head = f"run {finished.run}: {finished.status}" if finished.run is not None else finished.status
            out.say(
                f"{head}, {finished.reason}" if finished.reason else head,
                "green" if not finished.exit_code else "yellow",
            )
        lines = self.next or _what_next(finished)
        if lines:
            out.say("\nnext")
            for line in lines:
                out.say("  " + line)


def _table(event: dict[str, Any]) -> Table:
    align = event.get("align") or ""
    letters = align if isinstance(align, str) else "".join(str(side)[:1] for side in align)
    return Table(
        [str(column) for column in event.get("columns", [])],
        event.get("rows", []),
        str(event.get("title", "")),
        letters,
    )


def _what_next(finished: Finished) -> list[str]:
    if finished.run is None:
        return []
    lines = [f"trainshed runs show {finished.run}"]
    if finished.status == "stopped":
        lines.insert(0, "the same command again, which goes on where this one stopped")
    if finished.status in ("failed", "stopped"):
        lines.append(f"trainshed runs logs {finished.run}")
    if finished.model:
        model, version = finished.model.rsplit(" ", 1)
        lines.append(f"trainshed models show {model}@{version}")
    return lines
