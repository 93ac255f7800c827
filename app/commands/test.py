"""`trainshed test`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from app.scope import scope_of
from app.views.checks import show_checks
from app.views.progress import view_for
from runners.actions.testing import NAMES, try_out
from storage.errors import UsageError

app = typer.Typer(rich_markup_mode=None)


@app.command()
def test(
    context: typer.Context,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write the outcome as JUnit XML, for a CI system.")
    ] = None,
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Train on the GPUs that are visible, such as those of `trainshed exec`."),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the shed of the test, with its runs and logs.")] = False,
) -> None:
    """Test a project as software, on a small sample, in a shed of its own. Exit code 0 when all holds, else 1.

    Every stage yields what it should, the loss falls and is finite, two runs with one seed agree, a few rows can be
    learnt by heart, the packaged model agrees with the trained one, and the project's own tests pass.
    """
    scope = scope_of(context)
    out, folder = scope.out, scope.project_dir()
    report = Path(junit).expanduser() if junit else None
    if report is not None and not report.absolute().parent.is_dir():
        raise UsageError("there is no such directory", place=str(report.absolute().parent), todo="--junit FILE")
    began = time.time()
    with view_for(out, NAMES, f"testing {folder}") as view:

        def on_event(event: dict[str, Any]) -> None:
            if event["event"] == "progress":
                view.progress(event)
            elif out.terminal or event["status"] != "running":  # in a CI system's log, a line an answer
                view.stage(event)

        tested = try_out(folder, on_gpu=gpu, keep=keep, on_event=on_event)
    if report is not None:
        _write(report, tested, began)
    show_checks(out, tested, time.time() - began)
    if not tested.passed:
        raise typer.Exit(1)


def _write(report: Path, tested: Any, began: float) -> None:
    import socket

    from runners.trying import junit
    from screens import figures

    content = junit.xml(tested.project, tested.checks, timestamp=figures.iso(began) or "", host=socket.gethostname())
    try:
        report.write_bytes(content)
    except OSError as err:
        raise UsageError(f"cannot be written: {err.strerror}", place=str(report), todo="--junit FILE") from err
