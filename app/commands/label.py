"""`trainshed label …`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from runners.actions import labelling as verbs

app = typer.Typer(
    help="Label the predictions that are worth a person's look.", rich_markup_mode=None, no_args_is_help=True
)

Endpoint = Annotated[
    str | None, typer.Argument(metavar="[ENDPOINT]", help="Whose predictions; default: the project's own.")
]
Count = Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="How many to ask about.")]


@app.command()
def start(context: typer.Context, endpoint: Endpoint = None, count: Count = verbs.COUNT) -> None:
    """Label row by row, one key a label. Each answer counts at once; `label save` makes a dataset version of them."""
    from app.views.labels import ask

    scope = scope_of(context)
    shed, project_dir = scope.shed(), scope.project_dir()
    given = ask(scope.out, shed, verbs.queue(shed, project_dir, endpoint=endpoint, count=count))
    scope.out.finish(labelled=given)


@app.command()
def queue(context: typer.Context, endpoint: Endpoint = None, count: Count = verbs.COUNT) -> None:
    """List what `label start` would ask, and why each."""
    from app.views.labels import show_queue

    scope = scope_of(context)
    show_queue(scope.out, verbs.queue(scope.shed(), scope.project_dir(), endpoint=endpoint, count=count))


@app.command()
def answer(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The id that the endpoint answered with.")],
    label: Annotated[str, typer.Argument(metavar="LABEL", help="What is true.")],
    row: Annotated[int, typer.Option(min=0, help="The row, where the request had several.")] = 0,
    endpoint: Annotated[str | None, typer.Option(help="Whose; default: the project's own.")] = None,
) -> None:
    """Label one prediction by its id."""
    scope = scope_of(context)
    shed = scope.shed()
    asked = verbs.queue_of(shed, scope.project_dir(), request, row, endpoint=endpoint)
    given = verbs.answer(shed, asked, asked.candidates[0], label)
    scope.out.finish(request=request, row=row, label=given.label, by=given.by, held_out=given.held_out)
    scope.out.say(f"{asked.target} of {request} is {given.label}, says {given.by}")


@app.command()
def save(context: typer.Context) -> None:
    """Make a new dataset version of what was labelled, with who said so, and a file that the project may learn from."""
    from app.views.labels import show_batch

    scope = scope_of(context)
    show_batch(scope.out, verbs.finish(scope.shed(), scope.project_dir()))


@app.command()
def status(context: typer.Context) -> None:
    """Say who labelled how much, how far people agree, and what the last batch was worth."""
    from app.views.labels import show_state

    scope = scope_of(context)
    show_state(scope.out, verbs.state(scope.shed(), scope.project_dir()))
