"""`trainshed models …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.output import Output
from app.scope import scope_of
from runners.actions import models as verbs
from screens import figures
from storage.errors import UsageError
from storage.read import models as read_models

app = typer.Typer(
    help="The registry: versions, gate, promotion, rollback.", rich_markup_mode=None, no_args_is_help=True
)
Reference = Annotated[
    str, typer.Argument(metavar="MODEL[@VERSION]", help="Such as flight-delay@v3 or @candidate; default: production.")
]
Name = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A number such as v3, or an alias.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the model's history.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_models(context: typer.Context) -> None:
    """List models with their newest version and what each alias names."""
    from app.views.models import show_models

    scope = scope_of(context)
    show_models(scope.out, read_models.every(scope.shed()))


@app.command()
def show(context: typer.Context, model: Reference) -> None:
    """Show one version: aliases, metrics, the gate's rules, where it came from; without @ all versions too."""
    from app.views.models import show_version, show_versions

    scope = scope_of(context)
    name, which = verbs.parsed_reference(model)
    found = verbs.details(scope.shed(), model)
    if which is None:
        show_versions(scope.out, read_models.row(scope.shed(), name))
    show_version(scope.out, found)


@app.command()
def history(context: typer.Context, model: Name) -> None:
    """Every decision about a model: who, when, why, on what evidence."""
    from app.views.models import show_history

    scope = scope_of(context)
    row = read_models.row(scope.shed(), model)
    show_history(scope.out, row, read_models.history(scope.shed(), model))


@app.command()
def card(context: typer.Context, model: Reference) -> None:
    """Print the model card: data, params, metrics, slices, gate, lineage; in Markdown."""
    scope = scope_of(context)
    text = verbs.card(scope.shed(), model)
    scope.out.emit("card", text=text)
    if not scope.out.json_lines:
        scope.out.say(text.rstrip("\n"))


@app.command()
def promote(
    context: typer.Context,
    model: Name,
    version: Version,
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
    override: Annotated[
        str | None, typer.Option(metavar="REASON", help="Move it past a gate that refused; the reason is kept.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Let an alias name a version; its bytes are read again first."""
    scope = scope_of(context)
    if override is not None and not scope.out.confirmed(f"Move {alias} past the gate?", yes=yes):
        raise UsageError("nothing was moved", todo="--yes moves without asking")
    _told(scope.out, verbs.promote(scope.shed(), model, version, alias=alias, override=override))


@app.command()
def approve(
    context: typer.Context,
    model: Name,
    version: Version,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the model's history.")] = "",
    yes: Yes = False,
) -> None:
    """Say yes to a version that passed the gate and waits: it goes to production."""
    scope = scope_of(context)
    if not scope.out.confirmed(f"Let {model} {version} go to production?", yes=yes):
        raise UsageError("nothing was moved", todo="--yes moves without asking")
    _told(scope.out, verbs.approve(scope.shed(), model, version, reason))


@app.command()
def reject(context: typer.Context, model: Name, version: Version, reason: Reason) -> None:
    """Say no to a version: it cannot go to production without an override."""
    scope = scope_of(context)
    found = verbs.reject(scope.shed(), model, version, reason)
    scope.out.finish(model=f"{model} v{found.number}", rejected=True)
    scope.out.say(f"{model} v{found.number} is rejected")


@app.command()
def rollback(
    context: typer.Context,
    model: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the model's history.")] = "",
    yes: Yes = False,
) -> None:
    """Put the previous version back into production; its bytes are read again first."""
    scope = scope_of(context)
    if not scope.out.confirmed(f"Roll {model} back to the version before?", yes=yes):
        raise UsageError("nothing was moved", todo="--yes moves without asking")
    _told(scope.out, verbs.roll_back(scope.shed(), model, reason))


@app.command()
def flips(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="Such as flight-delay@v3; default: newest.")],
    against: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The other version; default: production, or the one before.")
    ] = None,
    of: Annotated[
        str, typer.Option("--slice", metavar="COLUMN=VALUE", help="Only rows of a slice, such as carrier=UA.")
    ] = "",
    which: Annotated[str, typer.Option(help="all, better (right now) or worse (wrong now).")] = "all",
    sort: Annotated[str, typer.Option(help="change, before, after or row; -change is the largest first.")] = "-change",
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="The rows that this endpoint was asked, not the test rows.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="So many logged rows, the newest.")] = 10_000,
    limit: Annotated[int, typer.Option("-n", "--limit", min=0, help="Rows that are shown.")] = 20,
) -> None:
    """Rows to look through one by one: those to which two versions give different answers.

    Both answer again, the test rows or with --endpoint what that was asked. What callers would have been told instead,
    in figures: `models replay`.
    """
    from app.views.flips import show_flips
    from runners.actions import flips as flip_verbs

    scope = scope_of(context)
    column, equals, value = of.partition("=")
    if of and not equals:
        raise UsageError(f"--slice {of}", expected="COLUMN=VALUE, such as carrier=UA")
    look = flip_verbs.look(column, value, which, sort)
    found = flip_verbs.flips(scope.shed(), model, against=against, endpoint=endpoint, last=last)
    rows, total = found.page(look, 0, limit)
    show_flips(scope.out, found, rows, total)


@app.command()
def replay(
    context: typer.Context,
    model: Name,
    version: Annotated[str, typer.Option("--version", help="A number such as v4, or an alias.")] = "candidate",
    last: Annotated[int, typer.Option("--last", min=1, help="So many logged rows, the newest.")] = 10_000,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="Whose log; default: the model's.")] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="COLUMN", help="By this column; default: those of the gate.")
    ] = None,
) -> None:
    """What would have changed for callers, in figures and by slice: logged requests answered again by a version.

    Compared is what they were told then, by whichever version. To look through the rows one by one: `models flips`.
    """
    from app.views.rollouts import show_replay
    from runners.actions import replaying

    scope = scope_of(context)
    found = replaying.replay(scope.shed(), model, version, last=last, endpoint=endpoint, slices=slices or [])
    show_replay(scope.out, found)


@app.command()
def export(
    context: typer.Context,
    model: Reference,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="DIR", help="Where to; made where it is not there.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option("--bundle", metavar="DIR", help="A new folder that serves without trainshed.")
    ] = None,
    layout: Annotated[
        str, typer.Option("--layout", help="Of the bundle: standalone, or open-inference as Triton wants it.")
    ] = "standalone",
) -> None:
    """Write model.onnx, signature.json and card.md of a version into a directory, or all that it takes to serve it."""
    from runners.actions import bundling

    scope = scope_of(context)
    if (output is None) == (bundle is None):
        raise UsageError("one place to write to", expected="--output DIR or --bundle DIR")
    if bundle is not None:
        done = bundling.bundle(scope.shed(), model, Path(bundle), layout=layout)
    else:
        done = verbs.export(scope.shed(), model, Path(output or ""))
    scope.out.finish(model=f"{done.model} v{done.version}", place=done.folder, files=done.files)
    scope.out.say(f"{done.model} v{done.version}: {', '.join(done.files)}  in {done.folder}")


@app.command()
def explain(
    context: typer.Context,
    model: Reference,
    given: Annotated[Path, typer.Option("--input", "-i", metavar="FILE", help="One record as JSON; - reads stdin.")],
    rows: Annotated[int, typer.Option(min=2, max=4096, help="Test rows to compare with; more is more exact.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
) -> None:
    """How much each column of a record contributes to its prediction."""
    from app.views.explanations import show_explanation
    from runners.actions.explaining import explain as explained

    scope = scope_of(context)
    show_explanation(scope.out, explained(scope.shed(), model, record_in(given), rows=rows, seed=seed))


@app.command()
def verify(context: typer.Context, model: Reference) -> None:
    """Read a version's bytes again, compare their hash, and load it under onnxruntime."""
    scope = scope_of(context)
    found = verbs.verify(scope.shed(), model)
    scope.out.finish(
        model=f"{found.model} v{found.version}",
        digest=found.digest,
        bytes=found.bytes,
        inputs=found.inputs,
        outputs=found.outputs,
    )
    scope.out.say(f"{found.model} v{found.version} is whole and loads", "green")
    scope.out.fields(
        [
            ("digest", found.digest),
            ("size", figures.size(found.bytes)),
            ("inputs", "\n".join(found.inputs)),
            ("outputs", "\n".join(found.outputs)),
        ]
    )


def _told(out: Output, move: verbs.Moved) -> None:
    out.finish(model=f"{move.model} v{move.version}", alias=move.alias, moved=move.moved, before=move.before)
    if move.moved:
        before = f", before it was v{move.before}" if move.before is not None else ""
        out.say(f"{move.alias} of {move.model} is v{move.version} now{before}", "green")
    else:
        out.say(f"{move.alias} of {move.model} was v{move.version} already")


def record_in(path: Path) -> dict[str, Any]:
    """The one JSON object of a file. Raises UsageError."""
    try:
        found = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text("utf-8"))
    except OSError as err:
        raise UsageError(f"cannot be read: {err.strerror}", place=str(path)) from None
    except ValueError as err:
        raise UsageError(f"not JSON: {err}", place=str(path)) from None
    if not isinstance(found, dict):
        raise UsageError("no record", place=str(path), expected='one JSON object, such as {"distance": 1400, …}')
    return found
