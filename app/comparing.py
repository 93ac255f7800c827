"""`trainshed runs compare`: which form it takes, and where it goes."""

from __future__ import annotations

from pathlib import Path

from app.scope import Scope
from app.views import comparison as views
from runners.actions.comparison import compare as compared
from storage.errors import UsageError, nearest

FORMATS = {"csv": views.as_csv, "json": views.as_json, "markdown": views.as_markdown}
SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown"}


def compare(scope: Scope, run_ids: list[int], form: str | None, output: str | None) -> None:
    """Show the runs side by side, or write them to `output`, whose suffix says the form where `form` does not.

    Raises:
        UsageError: for a form there is not, or a place that cannot be written.
    """
    place = Path(output).expanduser() if output else None
    chosen = _form(form, place)
    found = compared(scope.shed(), run_ids)
    out = scope.out
    out.emit("comparison", views.facts(found))
    out.finish(runs=[row.run.id for row in found.runs], output=place)
    if place is not None:
        _write(place, FORMATS[chosen](found))
        out.say(f"written to {place}")
    elif out.json_lines:
        return
    elif chosen == "table":
        views.show_tables(out, found)
    else:
        out.say(FORMATS[chosen](found).rstrip("\n"))


def _form(form: str | None, place: Path | None) -> str:
    if form is not None and form not in ("table", *FORMATS):
        raise UsageError(
            f"--format {form}: no such format",
            expected="table, " + " or ".join(FORMATS),
            todo=nearest(form, ["table", *FORMATS]),
        )
    if place is None:
        return form or "table"
    found = form if form not in (None, "table") else SUFFIXES.get(place.suffix.lower())
    if found is None:
        raise UsageError(
            f"{place.name}: which form?", expected="a name that ends in .csv, .json or .md", todo="or --format FORMAT"
        )
    return found


def _write(place: Path, text: str) -> None:
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as err:
        raise UsageError(f"cannot be written: {err.strerror}", place=str(place)) from err
