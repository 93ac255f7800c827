"""The command line: `main` is the console script. Nouns are imported when they are called, not before."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from app.output import Output
from app.scope import Scope, scope_of
from storage.errors import TrainshedError, UsageError

NOUNS = {
    "init": "Start a project from a template, or around your data.",
    "status": "What needs you, runs, the queue, endpoints, the machine.",
    "doctor": "Check this machine, its terminal and the shed.",
    "test": "Test a project as software, on a small sample.",
    "data": "Datasets and their versions.",
    "runs": "Runs: their params, metrics, logs and notes.",
    "sweep": "Try params, and stop early what does worse than others.",
    "digest": "What happened since you were last here.",
    "models": "The registry: versions, gate, promotion, rollback.",
    "triggers": "What retrains a project by itself, and why it did.",
    "alerts": "What people should know, whom it reached, who has seen it.",
    "serve": "Serve a model until Ctrl-C.",
    "predict": "Predict a file of any size.",
    "endpoints": "Models that serve: start, stop, look, tokens.",
    "label": "Label the predictions that are worth a person's look.",
    "monitor": "What an endpoint does, and how well.",
    "exec": "Queue any command under a lease.",
    "agent": "Your background process, which starts queued runs.",
    "gpus": "GPUs and CPU slots: who holds them, and how they do.",
    "disk": "What takes the disk, and what gc would free.",
    "export": "Take runs, models and data out of the shed.",
    "import": "Take in runs of MLflow, or of another shed.",
    "lineage": "Walk any id back to its files, and on to what came of it.",
    "gc": "Remove files in the shed that nothing refers to.",
}


class Nouns(TyperGroup):
    """Knows every noun with its line of help; imports `app.commands.NOUN` only when it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in NOUNS.items():
            self.add_command(TyperGroup(name=name, help=line, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else loaded(name), rest


def loaded(noun: str) -> Any:
    """The noun's command with all its verbs, each of which takes the global options too."""
    module = importlib.import_module(f"app.commands.{noun}")
    command = typer.main.get_command(module.app)
    command.name = noun
    command.params = [param for param in command.params if not str(param.name).endswith("_completion")]  # the root's
    options = typer.main.get_command(everywhere).params
    for leaf in _leaves(command):
        taken = {name for param in leaf.params for name in param.opts}
        leaf.params.extend(option for option in options if not taken.intersection(option.opts))
    return command


def _leaves(command: Any) -> list[Any]:
    if isinstance(command, TyperGroup):
        return [leaf for child in command.commands.values() for leaf in _leaves(child)]
    return [command]


def _json(context: typer.Context, value: bool) -> None:
    if value:
        scope_of(context).out.json_lines = True


def _project(context: typer.Context, value: str | None) -> None:
    if value is not None:
        scope_of(context).project = value


def _shed(context: typer.Context, value: str | None) -> None:
    if value is not None:
        scope_of(context).shed_root = value


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("trainshed"))
        raise typer.Exit


# The callbacks put the values into the scope; a verb that were handed them as well would have to name them all.
Project = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--project",
        metavar="DIR",
        help="The project; default: here or above.",
        callback=_project,
        expose_value=False,
    ),
]
ShedRoot = Annotated[
    str | None,
    typer.Option(
        "--shed", metavar="DIR", help="The shed; default: $TRAINSHED_HOME.", callback=_shed, expose_value=False
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object a line on stdout.", callback=_json, is_eager=True, expose_value=False),
]

everywhere = typer.Typer(add_completion=False)


@everywhere.command()
def _everywhere(project: Project = None, shed: ShedRoot = None, json: Json = False) -> None:
    """Holds the options that stand before or after the verb."""


cli = typer.Typer(
    cls=Nouns, rich_markup_mode=None, invoke_without_command=True, context_settings={"max_content_width": 100}
)


@cli.callback()
def door(
    context: typer.Context,
    batch: Annotated[bool, typer.Option("--batch", help="Run the project's pipeline to its end.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAM=VALUE", help="With --batch: change a param.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="With --batch: stop after this stage.")] = None,
    name: Annotated[str | None, typer.Option(help="With --batch: the run's name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="With --batch: file the run under this word.")] = None,
    project: Project = None,
    shed: ShedRoot = None,
    json: Json = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """From raw files through a gate to production, in one terminal."""
    gc.freeze()  # what was imported stays: one look for garbage through all of it takes a tenth of a short command
    gc.enable()
    scope = scope_of(context)
    given = [n for n, v in (("--set", set_), ("--until", until), ("--name", name), ("--tag", tag)) if v]
    if context.invoked_subcommand is not None:
        if batch or given:
            raise UsageError(f"{'--batch' if batch else given[0]} does not go with `{context.invoked_subcommand}`")
    elif batch:
        from app.batch import run_batch

        raise typer.Exit(run_batch(scope, set_ or [], until=until, name=name, tags=tuple(tag or ())))
    elif given:
        raise UsageError(f"{given[0]} needs --batch", todo="`trainshed --batch …` runs the pipeline")
    elif scope.out.screen:
        from app.tui import open_tui

        raise typer.Exit(open_tui(scope))
    else:
        from app.welcome import welcome

        welcome(scope)


def main() -> NoReturn:
    """The console script."""
    code = run(sys.argv[1:])
    if any(thread.daemon for thread in threading.enumerate()):
        _leave_at_once(code)  # the screen was left as it read: DuckDB aborts an interpreter that ends meanwhile
    if "duckdb" not in sys.modules:  # its bindings call a leak what is not collected, on the terminal just given back
        gc.freeze()  # as it ends the interpreter looks for garbage three times: a sixth of a short command
    sys.exit(code)


def _leave_at_once(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def run(args: list[str]) -> int:
    """Run one command line and return its exit code; nothing is raised and no traceback is shown."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name never fails to print, whatever the encoding
    gc.disable()  # until everything is imported: a tenth of the start went into looking for garbage there
    own = args[: args.index("--")] if "--" in args else args
    scope = Scope(Output(json_lines="--json" in own))
    try:
        code = _called(args, scope)
    except BaseException as err:
        code = _explained(err, scope)
    finally:
        gc.unfreeze()
        gc.enable()
        scope.close()
    scope.out.finished(code)
    return code


def _called(args: list[str], scope: Scope) -> int:
    if not args and scope.out.screen:  # the screen, a tenth of a second sooner than by way of the options
        from app.tui import open_tui

        return open_tui(scope)
    command = typer.main.get_command(cli)
    returned = command.main(args=args, prog_name="trainshed", standalone_mode=False, obj=scope)
    return returned if isinstance(returned, int) else 0


def _explained(err: BaseException, scope: Scope) -> int:
    """Tell a person what went wrong; returns the exit code."""
    out = scope.out
    if isinstance(err, TrainshedError):
        out.error(err)
        return err.exit_code
    if isinstance(err, typer.TyperException):  # the command line itself could not be read
        context = getattr(err, "ctx", None)
        if context is not None and err.format_message().startswith("Usage:") and not out.json_lines:
            out.note(err.format_message())  # a noun without a verb: its help
            return UsageError.exit_code
        todo = f"`{context.command_path} --help` shows how" if context is not None else ""
        out.error(UsageError(err.format_message().rstrip("."), todo=todo))
        return UsageError.exit_code
    if isinstance(err, (KeyboardInterrupt, typer.Abort)):
        out.say()
        return 130
    if isinstance(err, SystemExit):
        return err.code if isinstance(err.code, int) else 0
    place = _kept_traceback(err, scope)
    out.error(
        TrainshedError(
            f"this is a bug in trainshed: {type(err).__name__}: {err}",
            todo=f"report it with the traceback, which was kept in {place}" if place else "report it",
        )
    )
    return 1


def _kept_traceback(err: BaseException, scope: Scope) -> Path | None:
    """Write the traceback where it can be found again: the shed's tmp, else the system's."""
    import tempfile
    import traceback

    name = f"trainshed-bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(err))
    for folder in (scope.open_tmp(), Path(tempfile.gettempdir())):
        if folder is None:
            continue
        try:
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return folder / name
    return None


if __name__ == "__main__":
    main()
