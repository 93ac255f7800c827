"""The run's params, read as attributes or as a mapping."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any


class Params(Mapping[str, Any]):
    """`params.lr` and `params["lr"]` are the same; tables within are Params too. A name that is not there is told with
    the nearest."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {key: Params(value) if isinstance(value, Mapping) else value for key, value in values.items()}

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise KeyError(self._missing(name)) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(self._missing(name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Params({self._values!r})"

    def _missing(self, name: str) -> str:
        near = difflib.get_close_matches(str(name), self._values, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"[train.params] has: {', '.join(self._values) or 'nothing'}"
        return f"no param {name!r}; {hint}"
