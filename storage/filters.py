"""The filter language of run lists: `status=failed lr>1e-4 user=ana auroc>=0.7 tag=baseline name~sweep`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.errors import UsageError

TERM = re.compile(r"(?P<key>[A-Za-z_][\w./-]*)(?P<operator>!=|>=|<=|=|>|<|~)(?P<value>.+)", re.DOTALL)
SPLIT = re.compile(r"""((?:[^\s"']|"[^"]*"|'[^']*')+)""")


@dataclass(frozen=True)
class Term:
    """One condition. `number` is set where the value reads as one."""

    key: str
    operator: str
    text: str
    number: float | None


def parse(text: str) -> list[Term]:
    """Read a filter; all its terms must hold. A lone word is looked for in the name.

    Raises:
        UsageError: naming the term that cannot be read.
    """
    return [_term(part) for part in SPLIT.findall(text)]


def _term(part: str) -> Term:
    match = TERM.fullmatch(part)
    if match is None:
        if re.fullmatch(r"[\w.\-]+", part):
            return Term("name", "~", part, None)
        raise UsageError(
            f"cannot read {part!r} in the filter", expected="terms like status=failed, lr>1e-4, user=ana, name~sweep"
        )
    value = match["value"].strip("\"'")
    try:
        number = float(value)
    except ValueError:
        number = None
    if number is None and match["operator"] in (">", "<", ">=", "<="):
        raise UsageError(f"{part!r} compares with {value!r}", expected="a number after " + match["operator"])
    return Term(match["key"], match["operator"], value, number)
