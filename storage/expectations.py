"""What a key was expected to hold, and what is wrong with a line that is no TOML, in words a person can act on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

EXPECTED: Mapping[str, str] = {  # pydantic's kind of error → what was expected; {…} are its figures
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "list_type": "a list",
    "string_type": "a text in quotes",
    "string_too_short": "a text that is not empty",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
}
AT = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)$")
KEY_AND_VALUE = re.compile(r"\s*([\w.\-]+)\s*=\s*(.*?)\s*(?:#.*)?$")


def expected(error: Mapping[str, Any]) -> str:
    """`expected …` for an error of pydantic's; empty where it has words of its own."""
    rule = EXPECTED.get(error["type"])
    if rule is None:
        return ""
    given = error.get("input")
    text = "expected " + rule.format(**error.get("ctx", {})).replace("'", '"')
    if error["type"] == "list_type" and isinstance(given, str):
        text += f': ["{given}"]'
    return text


def misplaced_brackets(error: Mapping[str, Any], key: str) -> str:
    """What to write where one bracket stands for two, or two for one; empty where that is not it."""
    given = error.get("input")
    if error["type"] in ("model_type", "model_attributes_type", "dict_type") and isinstance(given, list):
        return f"write [{key}] with single brackets: there is one"
    if error["type"] == "list_type" and isinstance(given, dict) and key == "trigger":
        return "write [[trigger]] with double brackets: there may be several"
    return ""


def no_toml(err: tomllib.TOMLDecodeError, text: str) -> tuple[int, str, str]:
    """The 1-based line of what is no TOML, what is wrong there, and what to do where that can be told."""
    lines = text.splitlines() or [""]
    found = AT.search(str(err))
    line = int(found[1]) if found and found[1] else len(lines)
    said = AT.sub("", str(err)).strip()
    source = lines[min(line, len(lines)) - 1]
    where = f", at column {found[2]}" if found and found[2] else ", at the end of the file"
    return line, f"not valid TOML: {said}{where}: {source.strip()[:100]!r}", _remedy(said, source)


def _remedy(said: str, source: str) -> str:
    pair = KEY_AND_VALUE.match(source)
    key, value = (pair[1], pair[2]) if pair else ("", "")
    if said.startswith("Cannot overwrite"):
        return f'"{key}" stands here a second time: leave one of them out' if key else "leave one of them out"
    if said.startswith("Cannot declare"):
        return f"{source.strip()} stands here a second time: bring both together"
    if any(quote in source for quote in "“”„‘’«»"):
        return 'texts stand in straight quotes: "…"'
    if value in ("True", "False"):
        return f"{key} = {value.lower()}"
    if value in ("None", "null", "nil"):
        return f"leave {key} out: what is not there has its default"
    if re.fullmatch(r"-?\d+,\d+", value):
        return f"a decimal point: {key} = {value.replace(',', '.')}"
    if re.fullmatch(r"[^\W\d][^\"'\[\]{}=]*", value):
        return f'a text stands in quotes: {key} = "{value}"'
    if re.match(r"\s*[\w.\-]+\s*:", source):
        return "a key and its value are joined by =, not by :"
    if "\\" in source:
        return "a backslash is doubled, or the text stands in single quotes: '…'"
    if said.startswith(("Illegal character '\\n'", "Unterminated")):
        return "the quote that opens here is not closed on its line"
    return ""
