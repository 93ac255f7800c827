"""What endpoints answered lately, prediction by prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import predictions
from storage.errors import UsageError
from storage.read import endpoints as read_endpoints
from storage.read import models as read_models
from storage.shed import Shed


@dataclass(frozen=True)
class Prediction:
    """One row of the prediction log.

    Attributes:
        id, row: the request and the place in it.
        value: the prediction as a person reads it: a probability, a number, the likeliest class.
        share: the probability that belongs to it, 0 to 1; None for a number.
        output: all that was answered; `truth` what turned out to be true, None before that is known.
        version: what answered; `digest` is that of its bytes.
    """

    id: str
    row: int
    at: float
    ms: float
    model: str
    version: int
    digest: str
    route: str
    inputs: dict[str, Any]
    output: Any
    value: Any
    share: float | None
    truth: Any = None


def latest(shed: Shed, endpoint: str, limit: int = 100) -> list[Prediction]:
    """The newest predictions of an endpoint, newest first. Raises UsageError when there is no such endpoint."""
    model = read_endpoints.named(shed, endpoint).model
    classes: dict[int, list[str]] = {}
    found = []
    for row in predictions.latest(shed.endpoint_dir(endpoint) / "log", limit):
        if row["version"] not in classes:
            classes[row["version"]] = _classes(shed, model, row["version"])
        value, share = read_out(row["output"], classes[row["version"]])
        found.append(Prediction(model=model, value=value, share=share, **row))
    return found


def _classes(shed: Shed, model: str, number: int) -> list[str]:
    try:
        signature = read_models.version(shed, model, f"v{number}").signature
    except UsageError:  # its model was removed; what it said stays
        return []
    return [str(name) for name in signature.get("classes") or []]


def size(shed: Shed, endpoint: str) -> tuple[int, int]:
    """Differs whenever something was logged since."""
    lines = list((shed.endpoint_dir(endpoint) / "log").glob("*.open.jsonl"))
    return len(lines), sum(path.stat().st_size for path in lines if path.exists())


def read_out(output: Any, classes: list[str]) -> tuple[Any, float | None]:
    """An output as `Prediction` tells it: its value, and the probability that goes with it."""
    first = next(iter(output.values()), None) if isinstance(output, dict) else output
    if isinstance(first, (int, float)) and isinstance(output, dict) and "probability" in output:
        return first, float(first)
    if isinstance(first, list) and first and all(isinstance(each, (int, float)) for each in first):
        likeliest = max(range(len(first)), key=lambda place: first[place])
        named = classes[likeliest] if len(classes) == len(first) else likeliest
        return named, float(first[likeliest]) if len(classes) == len(first) else None
    return first, None
