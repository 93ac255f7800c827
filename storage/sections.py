"""TOML files of ours (trainshed.toml, settings.toml): read and checked; each fault comes with its line and key."""

from __future__ import annotations

import re
import tomllib
from codecs import BOM_UTF8
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from storage.errors import UsageError, nearest
from storage.expectations import expected, misplaced_brackets, no_toml
from storage.names import NAME_RULE

Scalar = bool | int | float | str
Text = Annotated[str, StringConstraints(min_length=1)]
NO_KEY = re.compile(r"\(.*\)|\[key\]")  # in the place that pydantic tells: the branch of a union, or "the key itself"


def _module(value: str) -> str:
    if ".py:" in value:
        raise ValueError(f'"{value}": a module is named without .py: "{value.replace(".py:", ":")}"')
    return value


Entry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"), AfterValidator(_module)]


class Section(BaseModel):
    """A table of the file: unknown keys and wrong types are errors, a text is no number, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


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
        text = data.removeprefix(BOM_UTF8).decode()  # editors of Windows put a mark before it
    except UnicodeDecodeError as err:
        line = data[: err.start].count(b"\n") + 1
        todo = "save it in your editor as UTF-8"
        raise UsageError("not UTF-8 text", place=f"{place}:{line}", expected="TOML in UTF-8", todo=todo) from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as err:
        at, message, todo = no_toml(err, text)
        raise UsageError(message, place=f"{place}:{at}", todo=todo) from None
    except RecursionError:
        raise UsageError("lists or tables lie in each other too deep to be read", place=f"{place}:1") from None


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
        return valid(model, raw)
    except UsageError as err:
        raise UsageError(f"this version cannot read it: {err.message}", place=place, todo=todo) from None


def valid(model: type[Whole], raw: object, *, place: str = "") -> Whole:
    """Settings that were put together of a file's and of what was asked for now.

    Raises:
        UsageError: it lists every fault with its key.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as err:
        faults = "; ".join(_fault(model, dict(error), "")[1] for error in err.errors(include_url=False))
    raise UsageError(faults, place=place)


def _fault(model: type[Section], error: dict[str, Any], text: str) -> tuple[int, str]:
    found = error.get("ctx", {}).get("error")
    given_keys = [str(part) for part in error["loc"] if not NO_KEY.fullmatch(str(part))]
    location = [*given_keys, *(found.keys if isinstance(found, Fault) else ())]
    key = ".".join(location) or "(file)"
    line = line_of(location, text)
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        hint = nearest(location[-1], _known_keys(model, location[:-1])) or _elsewhere(model, location[-1])
        return line, f'unknown key "{key}"' + (f"; {hint}" if hint else "")
    if kind == "missing":
        return line, f'"{key}" is missing; expected {_example(model, location)}'
    message = expected(error) or error["msg"].removeprefix("Value error, ")
    if "pattern" in error.get("ctx", {}):
        message = _pattern_rule(location)
    hint = misplaced_brackets(error, key)
    if kind == "literal_error" and isinstance(given, str):
        hint = nearest(given, re.findall(r'"([^"]*)"', message))
    subject = f'"{key}"' if kind == "value_error" or isinstance(given, (list, dict)) else f'"{key}" = {_written(given)}'
    return line, f"{subject}: {message}" + (f"; {hint}" if hint else "")


def _written(value: Any) -> str:
    """A value as it stands in the file; what is not to be printed stays escaped."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, (str, int, float)) else str(value)


def _pattern_rule(location: list[str]) -> str:
    if location[-1] in ("entry", "module", "load"):
        return 'expected "module:function"'
    if "tables" in location:
        return "a table's name is letters, digits and '_', not starting with a digit"
    return f"expected {NAME_RULE}"


def _annotation(model: Any, location: list[str]) -> Any:
    """The type of what stands at a place of the file; None where nothing is known of it."""
    found: Any = model
    for part in location:
        fields = {field.alias or name: field for name, field in getattr(_section_of(found), "model_fields", {}).items()}
        if part in fields:
            found = fields[part].annotation
    return found


def _known_keys(model: Any, location: list[str]) -> list[str]:
    fields = getattr(_section_of(_annotation(model, location)), "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _elsewhere(model: type[Section], key: str) -> str:
    """Which tables of the file have such a key, where this one has none."""
    tables = {name: _section_of(field.annotation) for name, field in model.model_fields.items()}
    having = [name for name, section in tables.items() if section is not None and key in section.model_fields]
    return " or ".join(f"[{name}]" for name in having) + " has such a key" if having else ""


def _example(model: type[Section], location: list[str]) -> str:
    """How a key that is missing is written."""
    annotation, name = _annotation(model, location), location[-1]
    options = [repr(option).replace("'", '"') for option in getattr(annotation, "__args__", ())]
    if getattr(annotation, "__origin__", None) is Literal:
        return f"{name} = {' or '.join(options)}"
    if getattr(annotation, "__origin__", None) is dict or _section_of(annotation) is not None:
        return f"a table [{'.'.join(location)}]"
    return f'{name} = "…"' if annotation is str else f"{name} = …"


def _section_of(annotation: Any) -> Any:
    """The Section class inside an annotation such as `dict[str, ColumnCheck]` or `FeaturesSection | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_of(part)
        if found is not None:
            return found
    return None


def line_of(location: list[str], text: str) -> int:
    """The 1-based line where the key (or the table nearest to it) stands in the source."""
    table: list[str] = []
    counts: dict[str, int] = {}
    best, depth = 1, 0
    for number, line in enumerate(_bare(text).split("\n"), start=1):
        header = re.match(r"\s*(\[+)\s*([^\]]+?)\s*\]+", line)
        if header:
            table = [part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", header.group(2))]
            if header.group(1) == "[[":  # one of several: its place among them is part of the location
                counts[header.group(2)] = counts.get(header.group(2), -1) + 1
                table.append(str(counts[header.group(2)]))
            both = min(len(table), len(location))
            shared = both if location[:both] == table[:both] else 0
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


def _bare(text: str) -> str:
    """The source without comments of whole lines and texts of several lines, which may look like keys."""
    text = re.sub(r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'', lambda found: "\n" * found.group().count("\n"), text)
    return re.sub(r"(?m)^[ \t]*#.*$", "", text).replace("\r", "")
