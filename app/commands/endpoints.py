"""`trainshed endpoints …`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands import rollouts
from app.scope import Scope, scope_of
from runners.actions import endpoints as verbs

app = typer.Typer(help="Models that serve: start, stop, look, tokens.", rich_markup_mode=None, no_args_is_help=True)
tokens = typer.Typer(help="Who may ask an endpoint.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(tokens, name="tokens")
app.add_typer(rollouts.canary, name="canary")
app.add_typer(rollouts.ab, name="ab")
app.add_typer(rollouts.shadow, name="shadow")

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name; usually its model's.")]
Name = Annotated[str | None, typer.Option("--name", help="Another name than the model's.")]
Alias = Annotated[
    str | None, typer.Option("--alias", help="The alias that it follows; default: as before, else production.")
]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Where it listens; default: [serve] port.")]
Address = Annotated[
    str | None, typer.Option("--address", help="Of this machine; beyond loopback only with TLS or behind a proxy.")
]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", metavar="PEM", help="The certificate, with its chain.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="The certificate's key.")]
BehindProxy = Annotated[
    list[str] | None, typer.Option("--behind-proxy", metavar="ADDRESS", help="A proxy that ends TLS and alone may ask.")
]
TokenName = Annotated[str, typer.Argument(metavar="TOKEN", help="The token's name.")]


FOLLOW_SECONDS = 0.2


@app.command()
def start(
    context: typer.Context,
    model: Model,
    name: Name = None,
    alias: Alias = None,
    port: Port = None,
    address: Address = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    behind_proxy: BehindProxy = None,
) -> None:
    """Serve a model in a process of its own, which outlives this terminal and follows the alias."""
    from app.views.endpoints import show_started

    scope = scope_of(context)
    settings = reached_by(address, tls_cert, tls_key, behind_proxy)
    found = verbs.start(
        scope.shed(), model, name=name, alias=alias, port=port, project_dir=project_of(scope), settings=settings
    )
    show_started(scope.out, found)


@app.command()
def stop(context: typer.Context, endpoint: Endpoint) -> None:
    """End an endpoint; what it has taken it answers."""
    scope = scope_of(context)
    stopped = verbs.stop(scope.shed(), endpoint)
    scope.out.finish(endpoint=endpoint, stopped=stopped)
    scope.out.say(f"{endpoint} has ended" if stopped else f"{endpoint} did not run")


@app.command()
def status(context: typer.Context, endpoint: Endpoint) -> None:
    """What serves, since when, how well, and why a newer version does not."""
    from app.views.endpoints import show_status

    scope = scope_of(context)
    show_status(scope.out, verbs.status(scope.shed(), endpoint))


@app.command("list")
def list_endpoints(context: typer.Context) -> None:
    """All endpoints of the shed."""
    from app.views.endpoints import show_endpoints

    scope = scope_of(context)
    show_endpoints(scope.out, verbs.every(scope.shed()))


@app.command()
def logs(
    context: typer.Context,
    endpoint: Endpoint,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many from the end.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    access: Annotated[bool, typer.Option("--access", help="Who asked what instead, and how it was answered.")] = False,
) -> None:
    """Print what an endpoint says of itself, or with --access a line for every request."""
    from app.views.endpoints import show_access
    from runners.actions import endpoint_logs

    scope = scope_of(context)
    out, shed = scope.out, scope.shed()

    def wait() -> bool:
        time.sleep(FOLLOW_SECONDS)
        return not out.gone

    if access:
        asked = endpoint_logs.follow_accesses(shed, endpoint, lines, wait) if follow else None
        for each in asked or endpoint_logs.accesses(shed, endpoint, lines):
            show_access(out, each)
        return
    told = endpoint_logs.follow_own(shed, endpoint, lines, wait) if follow else None
    for line in told or endpoint_logs.own(shed, endpoint, lines):
        out.emit("line", text=line)
        if not out.json_lines:
            out.say(line)


@app.command()
def install(context: typer.Context, endpoint: Endpoint) -> None:
    """Have systemd start an endpoint when the machine does."""
    scope = scope_of(context)
    path = verbs.install(scope.shed(), endpoint)
    scope.out.finish(unit=str(path))
    scope.out.say(f"systemd starts {endpoint} with the machine now: {path}")


@tokens.command("create")
def create_token(
    context: typer.Context,
    endpoint: Endpoint,
    token: TokenName,
    scope_: Annotated[str, typer.Option("--scope", help="predict, or admin, which may read /metrics too.")] = "predict",
) -> None:
    """Make a token. It is told now and never again."""
    scope = scope_of(context)
    secret = verbs.create_token(scope.shed(), endpoint, token, scope_)
    scope.out.finish(endpoint=endpoint, name=token, scope=scope_, token=secret)
    scope.out.say(secret)


@tokens.command("list")
def list_tokens(context: typer.Context, endpoint: Endpoint) -> None:
    """The tokens of an endpoint, by name."""
    from app.views.endpoints import show_tokens

    scope = scope_of(context)
    show_tokens(scope.out, verbs.list_tokens(scope.shed(), endpoint))


@tokens.command("revoke")
def revoke_token(context: typer.Context, endpoint: Endpoint, token: TokenName) -> None:
    """Let a token open nothing any more, within a second."""
    scope = scope_of(context)
    verbs.revoke_token(scope.shed(), endpoint, token)
    scope.out.finish(endpoint=endpoint, name=token, revoked=True)
    scope.out.say(f"{token} opens nothing any more")


def project_of(scope: Scope) -> Path | None:
    """The project that the command was called in, or with -p, if any."""
    return scope.project_dir() if scope.project_name() is not None else None


def reached_by(
    address: str | None, tls_cert: Path | None, tls_key: Path | None, behind_proxy: list[str] | None
) -> dict[str, Any]:
    """What the command line says in place of `[serve]`."""
    found = {
        "address": address,
        "tls_cert": str(tls_cert.absolute()) if tls_cert else None,
        "tls_key": str(tls_key.absolute()) if tls_key else None,
        "behind_proxy": behind_proxy,
    }
    return {key: value for key, value in found.items() if value}
