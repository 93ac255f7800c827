"""Params as people write them: `1e-3` is a number, `true` a boolean, `x` and `"x"` a text."""

from __future__ import annotations

import tomllib
from typing import Any


def parsed_param(text: str) -> Any:
    """The value that was written; what is none of TOML's is a text."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        pass
    else:
        if list(found) == ["value"] and isinstance(found["value"], (bool, int, float, str, list)):
            return found["value"]
    try:
        return float(text)  # `.5` and `1.`, which TOML does not know
    except ValueError:
        return text
