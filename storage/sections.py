"""TOML files of ours (trainshed.toml, settings.toml): read and checked; each fault comes with its line and key."""

from __future__ import annotations

import re
import tomllib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import UsageError, nearest
from storage.names import NAME_RULE


class Section(BaseModel):
    """A table of the file: unknown keys and numbers that are none are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Fault(ValueError):
    """What a validator found wrong with a key below its own; `keys` lead there."""

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


Whole = TypeVar("Whole", bound=Section)


def parsed(data: bytes, place: str) -> tuple[dict[str, Any], str]:
    """The file's tables, and its text.

    Raises:
        UsageError: when it is not TOML in UTF-8.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise UsageError("not UTF-8 text", place=place, expected="TOML in UTF-8") from err
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as err:
        raise UsageError(f"not valid TOML: {err}", place=place) from None


def checked(model: type[Whole], raw: dict[str, Any], *, text: str, place: str) -> Whole:
    """The tables as a `model`; `text` is their source, for line numbers.

    Raises:
        UsageError: one error that lists every fault, each with its line, its key and the nearest right word.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as err:
        faults = sorted(_fault(model, dict(error), text) for error in err.errors(include_url=False))
    first_line, first = faults[0]
    rest = "".join(f"\n{place}:{line}: {message}" for line, message in faults[1:])
    raise UsageError(first + rest, place=f"{place}:{first_line}")


def kept(model: type[Whole], raw: object, *, place: str, todo: str) -> Whole:
    """Settings that were written down as JSON, maybe by another version of trainshed.

    Raises:
        UsageError: when this version does not understand them; it lists every fault with its key.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as err:
        faults = "; ".join(_fault(model, dict(error), "")[1] for error in err.errors(include_url=False))
    raise UsageError(f"this version cannot read it: {faults}", place=place, todo=todo)


def _fault(model: type[Section], error: dict[str, Any], text: str) -> tuple[int, str]:
    found = error.get("ctx", {}).get("error")
    location = [str(part) for part in (*error["loc"], *(found.keys if isinstance(found, Fault) else ()))]
    key = ".".join(location) or "(file)"
    line = _line_of(location, text)
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        hint = nearest(location[-1], _known_keys(model, location[:-1]))
        return line, f'unknown key "{key}"' + (f"; {hint}" if hint else "")
    if kind == "missing":
        return line, f'"{key}" is missing'
    message = error["msg"].removeprefix("Value error, ")
    if "pattern" in error.get("ctx", {}):
        message = _pattern_rule(location)
    hint = ""
    if kind == "literal_error" and isinstance(given, str):
        hint = nearest(given, re.findall(r"'([^']*)'", message))
    subject = f'"{key}"' if kind == "value_error" else f'"{key}" = {given!r}'
    return line, f"{subject}: {message}" + (f"; {hint}" if hint else "")


def _pattern_rule(location: list[str]) -> str:
    if location[-1] in ("entry", "module", "load"):
        return 'expected "module:function"'
    if "tables" in location:
        return "a table's name is letters, digits and '_', not starting with a digit"
    return f"expected {NAME_RULE}"


def _known_keys(model: Any, location: list[str]) -> list[str]:
    for part in location:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = _section_of(fields[part].annotation)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def _section_of(annotation: Any) -> Any:
    """The Section class inside an annotation such as `dict[str, ColumnCheck]` or `FeaturesSection | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_of(part)
        if found is not None:
            return found
    return None


def _line_of(location: list[str], text: str) -> int:
    """The 1-based line where the key (or the table nearest to it) stands in the source."""
    lines = text.splitlines()
    table: list[str] = []
    counts: dict[str, int] = {}
    best, depth = 1, 0
    for number, line in enumerate(lines, start=1):
        header = re.match(r"\s*(\[+)\s*([^\]]+?)\s*\]+", line)
        if header:
            table = [part.strip().strip("\"'") for part in header.group(2).split(".")]
            if header.group(1) == "[[":  # one of several: its place among them is part of the location
                counts[header.group(2)] = counts.get(header.group(2), -1) + 1
                table.append(str(counts[header.group(2)]))
            shared = len(table) if location[: len(table)] == table else 0
        else:
            shared = len(table) if location[: len(table)] == table else 0
            rest = location[shared:] if shared == len(table) else []
            for extra, part in enumerate(rest, start=1):
                if not re.search(rf"(^|[\s{{,.])[\"']?{re.escape(part)}[\"']?\s*=", line):
                    break
                shared = len(table) + extra
        if shared > depth:
            best, depth = number, shared
    return best
