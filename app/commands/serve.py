"""`trainshed serve MODEL`."""

from __future__ import annotations

import typer

from app.commands.endpoints import (
    Address,
    Alias,
    BehindProxy,
    Model,
    Name,
    Port,
    TlsCert,
    TlsKey,
    project_of,
    reached_by,
)
from app.scope import scope_of
from runners.actions import endpoints as verbs

app = typer.Typer(rich_markup_mode=None)


@app.command()
def serve(
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
    """Serve a model until Ctrl-C; `endpoints start` does it in the background."""
    scope = scope_of(context)
    out = scope.out

    def tell(text: str) -> None:
        out.emit("note", text=text)
        out.note(text)

    def ready(token: str, url: str) -> None:
        out.emit("endpoint", {"token": token} if token else {}, url=url)
        out.say(f"{model} at {url}; Ctrl-C ends it", "green")
        if token:
            out.say(f"token, told only now: {token}")

    verbs.serve(
        scope.shed(),
        model,
        tell,
        name=name,
        alias=alias,
        port=port,
        project_dir=project_of(scope),
        settings=reached_by(address, tls_cert, tls_key, behind_proxy),
        ready=ready,
    )
