"""`trainshed init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from app.output import Output
from app.scope import scope_of
from runners.actions.guessing import Guess
from runners.actions.projects import create
from storage.counted import counted

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="Where; it may hold your data already.")] = ".",
    template: Annotated[str, typer.Option(metavar="table|images|command", help="What kind of project.")] = "table",
    name: Annotated[str | None, typer.Option(help="Its name, and its model's; default: the directory's.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of your data: the column to predict; default: a guess.")
    ] = None,
) -> None:
    """Start a project: a trainshed.toml with comments and training code that works. Nothing is overwritten.

    Where DIR or DIR/data holds csv, parquet or jsonl files, the template `table` is filled from them.
    """
    scope = scope_of(context)
    made = create(Path(folder), template, name=name, target=target)
    out = scope.out
    out.finish(project=made.name, place=made.folder, template=made.template, files=made.files)
    written = [path for path in made.files if "/" not in path]
    samples = len(made.files) - len(written)
    more = f" and {counted(samples, 'sample file')}" if samples else ""
    out.say(f"{made.name}: {', '.join(written)}{more}", "bold")
    out.say(f"in {made.folder}")
    if made.guess is not None:
        _tell(out, made.guess)
    out.say("\nnext")
    where = "" if made.folder == Path.cwd() else f" -p {shlex.quote(folder)}"
    out.say(f"  trainshed --batch{where}")


def _tell(out: Output, guess: Guess) -> None:
    """What was read out of the data that was there."""
    comma = [column.name for column in guess.columns if column.decimal_comma]
    out.finish(target=guess.target, task=guess.task, numeric=guess.numeric, categorical=guess.categorical)
    out.fields(
        [
            ("data", f"{', '.join(guess.globs)}: {counted(guess.rows, 'row')}"),
            ("target", guess.target + ("  (a guess: --target COLUMN says otherwise)" if guess.guessed else "")),
            ("task", guess.task),
            ("numeric", ", ".join(guess.numeric)),
            ("categorical", ", ".join(guess.categorical)),
            ("query", f"makes numbers of {', '.join(comma)}, which have a decimal comma" if comma else ""),
            ("left out", "\n".join(f"{column}: {why}" for column, why in guess.left_out.items())),
            ("other files", ", ".join(guess.other_files)),
        ]
    )
