"""What turned out to be true, as people send it, in the numbers that predictions are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from runners.packaging.signature import Signature


def truths(
    told: Sequence[str | None], signature: Signature, classes: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Truths as people send them → 0/1, class index or value; NaN for what is none of these.

    The index is among `classes`, by default the signature's own.

    `true` and 1, `false` and 0 are the same thing where the classes are one or the other.
    """
    if signature.task == "regression":
        return np.array([_number(text) for text in told], np.float64)
    places = {name: place for place, name in enumerate(signature.classes if classes is None else classes)}
    for one, other in (("true", "1"), ("false", "0")):
        if one in places:
            places.setdefault(other, places[one])
        elif other in places:
            places.setdefault(one, places[other])
    found = [math.nan if text is None else places.get(text, places.get(_whole(text), math.nan)) for text in told]
    return np.array(found, np.float64)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan


def _whole(text: str) -> str:
    """`1.0` as `1`: JSON has one kind of number."""
    value = _number(text)
    return str(int(value)) if math.isfinite(value) and value == int(value) else text
