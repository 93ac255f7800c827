"""`trainshed predict MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.scope import scope_of
from runners.actions import predicting
from storage.counted import counted

app = typer.Typer(rich_markup_mode=None)


@app.command()
def predict(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL[@VERSION]", help="Such as flight-delay@v3; default: production.")
    ],
    source: Annotated[str, typer.Option("--input", "-i", metavar="FILE", help="Rows: Parquet, CSV or JSON lines.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Predictions, as Parquet.")],
    keep: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Write this input column too.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processors to use.")] = 1,
) -> None:
    """Predict a file of any size with the same ONNX that serves; called again, it goes on where it was interrupted."""
    scope = scope_of(context)
    out = scope.out

    def progress(done: int, total: int) -> None:
        out.emit("progress", done=done, total=total)
        if out.terminal:
            out.note(f"{done:,} of {counted(total, 'row')}")

    found = predicting.predict(
        scope.shed(), model, Path(source), Path(output), keep=tuple(keep or ()), threads=threads, progress=progress
    )
    speed = (found.rows - found.resumed) / max(found.seconds, 1e-9)
    out.finish(
        model=f"{found.model} v{found.version}",
        rows=found.rows,
        resumed=found.resumed,
        seconds=round(found.seconds, 3),
        output=found.output,
    )
    done = f", {found.resumed:,} of them before" if found.resumed else ""
    out.say(
        f"{counted(found.rows, 'row')}{done} by {found.model} v{found.version}, {speed:,.0f} a second: {found.output}",
        "green",
    )
