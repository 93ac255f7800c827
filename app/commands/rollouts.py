"""`trainshed endpoints canary|ab|shadow …`: a second version beside the one that an endpoint serves."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from runners.actions import canaries as verbs
from storage.errors import UsageError

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name; usually its model's.")]
Version = Annotated[str, typer.Option("--version", help="A number such as v4, or an alias.")]
Percent = Annotated[float | None, typer.Option("--percent", help="The share of requests that it answers.")]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="COLUMN", help="Choose by this input column: a value sticks to a version."),
]
Header = Annotated[
    str | None, typer.Option("--header", metavar="NAME", help="Choose what carries this header as `always`, no others.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with it.")]
Override = Annotated[
    str | None, typer.Option("--override", metavar="REASON", help="Past a gate that did not pass it; kept.")
]

canary = typer.Typer(
    help="A candidate answers a part of the requests, and is promoted or given up by itself.", rich_markup_mode=None,
    no_args_is_help=True,
)  # fmt: skip
ab = typer.Typer(
    help="Two versions share the requests, until somebody decides.", rich_markup_mode=None, no_args_is_help=True
)
shadow = typer.Typer(
    help="A second version answers the same requests, for the log alone.", rich_markup_mode=None, no_args_is_help=True
)


@canary.command("start")
def start_canary(
    context: typer.Context,
    endpoint: Endpoint,
    version: Version = "candidate",
    percent: Percent = None,
    key: Key = None,
    header: Header = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="How long until it is judged.")] = None,
    min_requests: Annotated[int | None, typer.Option("--min-requests", help="That both need before.")] = None,
    override: Override = None,
) -> None:
    """Begin; rules that are not given are those of [serve.canary]."""
    _started(
        context, endpoint, "canary", version, override, percent=percent, key=key, header=header, minutes=minutes,
        min_requests=min_requests,
    )  # fmt: skip


@ab.command("start")
def start_ab(
    context: typer.Context,
    endpoint: Endpoint,
    version: Version = "candidate",
    percent: Percent = None,
    key: Key = None,
    header: Header = None,
) -> None:
    """Begin, with half of the requests where --percent is not given."""
    _started(context, endpoint, "ab", version, None, percent=percent, key=key, header=header)


@shadow.command("start")
def start_shadow(
    context: typer.Context, endpoint: Endpoint, version: Version = "candidate", percent: Percent = None
) -> None:
    """Begin, with all requests where --percent is not given."""
    _started(context, endpoint, "shadow", version, None, percent=percent)


@canary.command("promote")
@ab.command("promote")
@shadow.command("promote")
def promote(context: typer.Context, endpoint: Endpoint, reason: Reason = "", override: Override = None) -> None:
    """Let the endpoint's alias name the second version now."""
    from app.views.rollouts import show_standing

    scope = scope_of(context)
    show_standing(scope.out, verbs.promote(scope.shed(), endpoint, reason, override=override))


@canary.command("abort")
@ab.command("abort")
@shadow.command("abort")
def abort(context: typer.Context, endpoint: Endpoint, reason: Reason = "") -> None:
    """Send nothing to the second version any more."""
    from app.views.rollouts import show_standing

    scope = scope_of(context)
    show_standing(scope.out, verbs.abort(scope.shed(), endpoint, reason))


@canary.command("show")
@ab.command("show")
@shadow.command("show")
def show(context: typer.Context, endpoint: Endpoint) -> None:
    """What both versions did so far, or how it ended and why."""
    from app.views.rollouts import show_standing

    scope = scope_of(context)
    found = verbs.standing(scope.shed(), endpoint)
    if found is None:
        raise UsageError(
            f'endpoint "{endpoint}" has never served a second version',
            todo=f"trainshed endpoints canary start {endpoint}",
        )
    show_standing(scope.out, found)


@canary.command("list")
@ab.command("list")
@shadow.command("list")
def history(context: typer.Context, endpoint: Endpoint) -> None:
    """All second versions that the endpoint served, newest first."""
    from app.views.rollouts import show_history

    scope = scope_of(context)
    show_history(scope.out, verbs.history(scope.shed(), endpoint))


@shadow.command("report")
def report_shadow(
    context: typer.Context,
    endpoint: Endpoint,
    slices: Annotated[list[str] | None, typer.Option("--slice", metavar="COLUMN", help="By this column too.")] = None,
) -> None:
    """How often, by how much and where the shadow says something else than production."""
    from app.views.rollouts import show_replay
    from runners.actions import replaying

    scope = scope_of(context)
    show_replay(scope.out, replaying.shadowed(scope.shed(), endpoint, slices=slices or []))


@ab.command("report")
def report_ab(context: typer.Context, endpoint: Endpoint) -> None:
    """What both versions predicted, and how right they were where the truth is known."""
    from app.views.rollouts import show_halves
    from runners.actions import halves

    scope = scope_of(context)
    show_halves(scope.out, halves.halves(scope.shed(), endpoint))


def _started(
    context: typer.Context,
    endpoint: str,
    kind: verbs.Kind,
    version: str,
    override: str | None,
    **rules: float | str | None,
) -> None:
    from app.views.rollouts import show_standing

    scope = scope_of(context)
    show_standing(
        scope.out, verbs.start(scope.shed(), endpoint, kind=kind, version=version, override=override, **rules)
    )
